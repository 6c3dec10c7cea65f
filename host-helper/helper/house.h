/* SPDX-License-Identifier: MIT */
/*
 * What a helper does for the store when its crash is done: the counters, and housekeeping by the
 * configuration's limits.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "counters.h"
#include "crash.h"
#include "store.h"

struct house {
	const struct store *store;
	const struct config *config; /* for all containers */
	struct counters counters;
};

void house_open(struct house *house, const struct store *store, const struct config *config);
void house_close(struct house *house);
unsigned house_make_room(const struct store *store, const struct config *config);
void house_keep(const struct house *house);
bool house_keep_alone(const struct config *config);
void house_count_crash(const struct house *house, const struct crash *crash, enum counter outcome,
		       unsigned made_room);
void house_count_push(const struct house *house, const struct crash *crash);
void house_count_work(const struct house *house, const struct crash *crash);
void house_count_unheard(const struct house *house);
