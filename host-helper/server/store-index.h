/* SPDX-License-Identifier: MIT */
/*
 * What crashes there are in the store, in memory: kept up to date as they are published and
 * removed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addresses.h"
#include "crash.h"
#include "store.h"

struct store_index;

/* What does not change once a crash is published.  NULL: not known. */
struct index_entry {
	char id[CRASH_ID_SIZE];
	uint64_t number; /* in the order in which they were published, from 1 */
	uint64_t time_us, published_us;
	uint32_t pid, uid, signal;
	bool root_only;
	bool is_damaged;   /* its record cannot be read: nothing below is known */
	bool is_this_boot; /* so the links are still the same ones */
	bool is_deleted;   /* somebody asked for that, and it will be */
	const char *exe, *container_name, *container_id;
	const struct addresses *addresses; /* NULL: none */
};

/* One that is being captured. */
struct index_pending {
	char id[CRASH_ID_SIZE];
	uint64_t seen_ms; /* CLOCK_MONOTONIC */
};

/* Called with the index locked: must be quick, and must not keep what it is given.  Not 0: ends. */
typedef int (*index_fn)(void *context, const struct index_entry *entry);

int store_index_start(const struct store *store, void (*changed)(void *context), void *context,
		      struct store_index **ret_index);
void store_index_stop(struct store_index **index);

void store_index_catch_up(struct store_index *index);
int store_index_walk(struct store_index *index, const char *before, index_fn fn, void *context);
int store_index_find(struct store_index *index, const char *id, index_fn fn, void *context);
bool store_index_delete(struct store_index *index, const char *id);
size_t store_index_count(struct store_index *index);
size_t store_index_pending(struct store_index *index, struct index_pending *pending, size_t max);
