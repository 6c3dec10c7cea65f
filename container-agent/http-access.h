/* SPDX-License-Identifier: MIT */
/*
 * Whom the agent trusts, and what it shows of itself: certificates, keys, the Authorization header,
 * proxies.
 */
#pragma once

#include <curl/curl.h>
#include <stddef.h>

#include "push.h"

struct http_access {
	char *ca, *client_cert, *client_key; /* PEM, or NULL */
	size_t ca_len, client_cert_len, client_key_len;
	const char *lent_ca; /* the host's, which is not ours to free; NULL: ca counts */
	size_t lent_ca_len;
	char *authorization; /* the header's value, or NULL */
	bool uses_proxies;
};

int http_access_load(struct push *push, struct http_access *access);
void http_access_drop_credentials(struct http_access *access);
void http_access_apply(CURL *curl, const struct http_access *access, bool is_home);
void http_access_release(struct http_access *access);
