/* SPDX-License-Identifier: MIT */
/*
 * The store's limits, and what makes way when one is over: cores first, the records stay.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crash.h"
#include "store.h"

#define QUOTA_RAW_MAX 128

/* 0: no limit. */
struct quota_limits {
	uint64_t max_use_bytes;	  /* what all crashes take on the disk */
	uint64_t keep_free_bytes; /* what must be free on the store's file system */
	uint64_t max_records;	  /* crashes, with a core or without */
	uint64_t oldest_us;	  /* crashes that happened before this go, whole: µs since 1970 */
	uint32_t max_per_container;
	uint32_t max_per_signature; /* of one container: cores of crashes of the same kind */
	/* What counts for this crash's container in place of max_per_container, or NULL. */
	uint32_t (*container_max)(const void *context, const struct crash *crash);
	const void *container_max_context;
};

struct quota_result {
	uint64_t crashes;    /* published, afterwards */
	uint64_t used_bytes; /* afterwards */
	uint64_t freed_bytes;
	unsigned cores_removed, records_removed;
	unsigned tidied;    /* crashes with something left over in them */
	unsigned passed_by; /* would have made way, but somebody works on them or reads them */
	unsigned failed;    /* could not be removed, read or tidied */
	bool is_over;	    /* a limit is still exceeded: nothing is left that could make way */
	/* Crashes with a raw core that nobody works on, oldest first. */
	char raw_ids[QUOTA_RAW_MAX][CRASH_ID_SIZE];
	unsigned raw_count;
};

int quota_enforce(const struct store *store, const struct quota_limits *limits,
		  struct quota_result *ret_result);
