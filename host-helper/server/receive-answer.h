/* SPDX-License-Identifier: MIT */
/*
 * What the peer is told of its upload.
 */
#pragma once

#include "answer.h"
#include "receive-headers.h"

void receive_answer_error(const struct receive_headers *headers, int error, struct answer *answer);
void receive_answer_retry(struct answer *answer, unsigned status, const char *text);
void receive_answer_stored(const struct receive_headers *headers, unsigned status, uint64_t size,
			   const char *sha256, struct answer *answer);
void receive_answer_other(struct answer *answer);
