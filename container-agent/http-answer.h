/* SPDX-License-Identifier: MIT */
/*
 * What a server answered: the headers that matter, and the beginning of the body.  Pure.
 *
 * All of it is the attacker's: lines of any length and number, numbers that are none, headers that
 * come twice and differ.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

#define HTTP_ANSWER_TEXT_MAX	 512 /* of the body, for a message */
#define HTTP_ANSWER_LOCATION_MAX 4096
#define HTTP_ANSWER_HEADERS_MAX	 (64U << 10)  /* of one answer */
#define HTTP_ANSWER_BODY_MAX	 (256U << 10) /* nobody has that much to say of a core */

enum http_number_state { HTTP_NUMBER_MISSING, HTTP_NUMBER_GOOD, HTTP_NUMBER_BAD };

struct http_number {
	enum http_number_state state;
	uint64_t value;
};

struct http_answer {
	long status;				     /* the caller's to fill in */
	char location[HTTP_ANSWER_LOCATION_MAX + 1]; /* "": none, or too long */
	bool is_encoded;			     /* its length is not that of what is there */
	char repr_digest[DIGEST_HEX_SIZE];	     /* SHA-256, or "": none that is understood */
	bool is_tus;				     /* speaks tus 1.0.0 */
	bool can_create, can_terminate;		     /* tus extensions */
	struct http_number upload_offset, upload_length, content_length;
	char text[HTTP_ANSWER_TEXT_MAX + 1]; /* the body's first line */
	size_t header_bytes, body_bytes;
	struct sha256_ctx body_digest;
};

void http_answer_init(struct http_answer *answer);
bool http_answer_take_header(struct http_answer *answer, const char *line, size_t len);
bool http_answer_take_body(struct http_answer *answer, const char *data, size_t len);
bool http_answer_is_of_body(struct http_answer *answer);
