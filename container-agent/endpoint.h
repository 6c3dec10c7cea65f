/* SPDX-License-Identifier: MIT */
/*
 * HTTP URLs: where to push, what stands below, and where a server sends us.  Pure (libcurl's URL
 * parser, which is the one that connects).
 *
 * They are the attacker's, and so is each Location.  Those that are taken are http or https, have a
 * host, and are visible ASCII.
 */
#pragma once

#include <stdbool.h>

#define ENDPOINT_ERROR_SIZE 512
#define ENDPOINT_URL_MAX    4096

struct endpoint {
	char *url;	       /* http or https, without user, password and fragment */
	char *shown;	       /* the same without its query, as a person wrote it */
	char *user, *password; /* decoded, or NULL */
	char *unix_socket;     /* path to connect to in place of url's host, or NULL */
	char *unix_name;       /* the same as it stands in http+unix://NAME/, or NULL */
};

int endpoint_parse(const char *text, bool allows_query, struct endpoint *ret_endpoint,
		   char error[ENDPOINT_ERROR_SIZE]);
int endpoint_below(const struct endpoint *base, const char *name, struct endpoint *ret_endpoint);
int endpoint_follow(const struct endpoint *from, const char *location,
		    struct endpoint *ret_endpoint, char error[ENDPOINT_ERROR_SIZE]);
char *endpoint_text(const struct endpoint *endpoint);
bool endpoint_is_same_server(const struct endpoint *a, const struct endpoint *b);
void endpoint_release(struct endpoint *endpoint);
#define cleanup_endpoint __attribute__((cleanup(endpoint_release)))
