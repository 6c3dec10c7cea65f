/* SPDX-License-Identifier: MIT */
/*
 * Requests to an endpoint, by libcurl: one at a time, over connections that are used again.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "http-access.h"
#include "http-answer.h"
#include "push.h"

struct http {
	CURL *curl;
	struct push *push;
	struct http_access access;
	struct endpoint home; /* the server that passwords, certificates and the like are for */
	char error[CURL_ERROR_SIZE];
};

struct http_request {
	const char *method;
	const struct endpoint *to;
	const struct curl_slist *headers; /* the caller's, or NULL */
	bool has_body;			  /* the source, from its position to its end */
	bool asks_first;		  /* Expect: 100-continue: the server may refuse the body */
	uint64_t sent;			  /* filled in: bytes of the body that were sent */
};

int http_open(struct push *push, const char *url, struct http *http);
void http_close(struct http *http);
#define cleanup_http __attribute__((cleanup(http_close)))
CURLcode http_perform(struct http *http, struct http_request *request, struct http_answer *answer);
int http_ask(struct http *http, const char *method, struct endpoint *to,
	     const struct curl_slist *headers, struct http_answer *answer);
int http_judge(struct http *http, const struct http_request *request, CURLcode code,
	       const struct http_answer *answer);
bool http_is_redirect(const struct http_answer *answer);
void http_set_bounds(CURL *curl);
int http_exit_code_of_error(CURLcode code);
int http_add_header(struct curl_slist **list, const char *name, const char *value);
