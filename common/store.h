/* SPDX-License-Identifier: MIT */
/*
 * The store: DIR/crashes/ID/ holds one crash each.  A crash is built in .ID.partial/ and published
 * by one rename, so whoever lists the store sees whole crashes only.
 *
 * Only root writes here; what is read may still be damaged.  The names hold nothing that a victim
 * chose.
 *
 * Each crash has one lock, the flock(2) of its directory.  Who captures, compresses, pushes or
 * reads it holds it shared, by the descriptor of the directory, for as long as that is open; who
 * removes anything of it, or finishes what was left over, holds it exclusively, and never waits for
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "crash.h"

struct store {
	int dir_fd;	/* DIR (O_PATH), for files that are beside crashes, or -1: none */
	int crashes_fd; /* DIR/crashes */
	gid_t gid;	/* the group that may read: that of DIR/crashes */
};

int store_open(const char *path, bool create, struct store *ret_store);
void store_close(struct store *store);
#define cleanup_store __attribute__((cleanup(store_close)))

int store_begin(const struct store *store, const char *id, int *ret_dirfd);
int store_publish(const struct store *store, const char *id);
int store_own_file(const struct store *store, int fd, bool root_only);

int store_list(const struct store *store, char (**ret_ids)[CRASH_ID_SIZE], size_t *ret_count);
int store_list_partial(const struct store *store, char (**ret_ids)[CRASH_ID_SIZE],
		       size_t *ret_count);
int store_open_crash(const struct store *store, const char *id, int *ret_dirfd);
int store_open_partial(const struct store *store, const char *id, int *ret_dirfd);

enum store_state {
	STORE_PUBLISHED, /* ID */
	STORE_PARTIAL,	 /* .ID.partial: being captured, or left over */
	STORE_REMOVED,	 /* .ID.removed: being removed, or left over */
};

int store_list_state(const struct store *store, enum store_state state,
		     char (**ret_ids)[CRASH_ID_SIZE], size_t *ret_count);
int store_lock_shared(int dirfd);
int store_open_exclusive(const struct store *store, const char *id, enum store_state state,
			 int *ret_dirfd);
int store_begin_remove(const struct store *store, const char *id);
int store_end_remove(const struct store *store, const char *id);

int store_read_record(int dirfd, struct crash *ret_crash);
int store_write_record(const struct store *store, int dirfd, const struct crash *crash);
