/* SPDX-License-Identifier: MIT */
/*
 * The ways to push over HTTP, and how one attempt tells the next where it was.
 */
#pragma once

#include <stdint.h>

#include "endpoint.h"
#include "http.h"

enum push_http_resume { PUSH_HTTP_NONE, PUSH_HTTP_PUT, PUSH_HTTP_TUS };

enum push_http_resume push_http_parse_resume(const char *text, const struct endpoint *home,
					     uint64_t *ret_offset, struct endpoint *ret_to);
char *push_http_make_resume(enum push_http_resume kind, uint64_t offset, const struct endpoint *to);

int push_http_verified(struct push *push, const char *how);
int push_http_compare_digest(struct push *push, const struct endpoint *to,
			     const struct http_answer *answer);

int put_push(struct http *http, const struct endpoint *base);
int put_push_to(struct http *http, struct endpoint *to);
int tus_push_new(struct http *http, struct endpoint *base);
#define TUS_GONE (-1) /* the server knows nothing of it any more */
int tus_push_on(struct http *http, struct endpoint *upload, uint64_t offset);
int tus_abandon(struct http *http, struct endpoint *upload);
