/* SPDX-License-Identifier: MIT */
/*
 * What is done with a core after its victim's release: compressed, synced, and its digests taken.
 */
#pragma once

#include <stdbool.h>

#include "capture.h"
#include "config.h"
#include "crash.h"
#include "store.h"

struct finish {
	const struct store *store;
	const struct config *config;
	int dirfd; /* the crash's directory */
	struct crash *crash;
	struct capture *capture;
	/* Writes the record. True: it is on the disk. */
	bool (*write)(void *context);
	/* Called from time to time, or NULL. */
	confined_tick_fn tick;
	void *context; /* of both */
};

void finish_own_core(const struct store *store, int dirfd, const struct crash *crash);
void finish_core(const struct finish *finish);
unsigned finish_left_over(const struct store *store, const struct config *config,
			  char (*ids)[CRASH_ID_SIZE], unsigned count);
