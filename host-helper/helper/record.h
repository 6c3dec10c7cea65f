/* SPDX-License-Identifier: MIT */
/*
 * The record of the crash: what is known of the victim, and its directory in the store.
 */
#pragma once

#include <stdbool.h>

#include "arguments.h"
#include "crash.h"
#include "store.h"
#include "victim.h"

int record_fill(struct crash *crash, const struct arguments *arguments,
		const struct victim *victim);
int record_begin(const struct store *store, struct crash *crash, uint32_t pid, int *ret_dirfd);
int record_fill_container(struct crash *crash, const struct victim *victim);
void record_write_snapshot(const struct store *store, int dirfd, const struct victim *victim);
bool record_is_same_boot(const struct crash *crash);
void record_sync(int dirfd, const char *core_file);
void record_set_xattrs(int core_fd, const struct crash *crash);
