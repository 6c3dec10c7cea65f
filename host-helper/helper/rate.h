/* SPDX-License-Identifier: MIT */
/*
 * How many cores are taken in a time, of one container and of one signature: STORE/rates.
 *
 * The keys hold what victims choose.  The file has a fixed size, whatever they are: they can crowd
 * out others of their own kind, never those of the other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define RATE_ENTRIES 1024 /* remembered of each kind */

enum rate_kind { RATE_CONTAINER, RATE_SIGNATURE, RATE_KIND_COUNT };

/* May there be one more of this key? */
struct rate_question {
	enum rate_kind kind;
	struct config_rate limit;
	const void *key;
	size_t key_len;
};

int rate_check(int storefd, const struct rate_question *questions, size_t count, uint64_t now_us,
	       size_t *ret_refused);
