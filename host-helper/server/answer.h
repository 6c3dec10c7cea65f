/* SPDX-License-Identifier: MIT */
/*
 * A short answer to a request: made where the reason is known, sent when HTTP allows it.
 */
#pragma once

#include <microhttpd.h>
#include <stddef.h>

#define ANSWER_TEXT_SIZE   512
#define ANSWER_HEADERS	   8
#define ANSWER_HEADER_SIZE 192

struct answer_header {
	const char *name;
	char value[ANSWER_HEADER_SIZE];
};

struct answer {
	unsigned status; /* 0: there is none yet */
	const char *type;
	struct answer_header headers[ANSWER_HEADERS]; /* up to the first without a name */
	char text[ANSWER_TEXT_SIZE];
	char *body; /* instead of text, or NULL; owned */
	size_t body_len;
};

__attribute__((format(printf, 3, 4))) void answer_set(struct answer *answer, unsigned status,
						      const char *format, ...);
__attribute__((format(printf, 3, 4))) void
answer_add_header(struct answer *answer, const char *name, const char *format, ...);
void answer_take_body(struct answer *answer, unsigned status, const char *type, char **body,
		      size_t len);
void answer_release(struct answer *answer);
enum MHD_Result answer_send(struct answer *answer, struct MHD_Connection *mhd);
