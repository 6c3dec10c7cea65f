/* SPDX-License-Identifier: MIT */
/*
 * A short answer to a request: made where the reason is known, sent when HTTP allows it.
 */
#pragma once

#include <microhttpd.h>

#define ANSWER_TEXT_SIZE 512

struct answer {
	unsigned status; /* 0: there is none yet */
	const char *type;
	const char *header, *value; /* one more header, or NULL */
	char text[ANSWER_TEXT_SIZE];
};

__attribute__((format(printf, 3, 4))) void answer_set(struct answer *answer, unsigned status,
						      const char *format, ...);
enum MHD_Result answer_send(const struct answer *answer, struct MHD_Connection *mhd);
