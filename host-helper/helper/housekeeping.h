/* SPDX-License-Identifier: MIT */
/*
 * Housekeeping of the store: what was left over, and the limits.  Any helper does it when it has
 * nothing else to do, one at a time.
 */
#pragma once

#include "quota.h"
#include "recover.h"
#include "store.h"

/* What housekeeping_run() returns when another process has taken the request over. */
#define HOUSEKEEPING_LEFT 1

struct housekeeping_result {
	unsigned runs;
	struct recover recover;
	struct quota_result quota; /* of the last run, but for these sums of all: */
	uint64_t freed_bytes;
	unsigned cores_removed, records_removed, tidied;
};

int housekeeping_make_room(const struct store *store, const struct quota_limits *limits,
			   struct housekeeping_result *ret_result);
int housekeeping_run(const struct store *store, const struct quota_limits *limits,
		     recover_mend_fn mend, struct housekeeping_result *ret_result);
