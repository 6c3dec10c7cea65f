/* SPDX-License-Identifier: MIT */
/*
 * What a killed helper or a power cut left in the store: a crash that was being captured is
 * published as what it is, and files that are no crash's any more are removed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crash.h"
#include "store.h"

/*
 * Tells how much a core.zst unpacks to, after giving one that ends anywhere
 * the table of its complete frames (fd: open for writing).  0; -ECHILD, -ETIME: nobody could tell,
 * and it is kept as it is; -EAGAIN, -EDQUOT, -EINTR, -EIO, -EMFILE, -ENFILE, -ENOMEM, -ENOSPC: not
 * now, and the core stays; any other -errno: there is nothing in it to be kept.
 */
typedef int (*recover_mend_fn)(int dirfd, int fd, uint64_t *ret_raw_size);

#define RECOVER_FAILED_MAX 64

struct recover {
	recover_mend_fn mend;

	unsigned recovered; /* published, and as what: */
	unsigned outcomes[CRASH_FAILED + 1];
	unsigned busy;	 /* times that one was passed by: somebody works on it */
	unsigned failed; /* left as they are, for another process to try */
	char failed_ids[RECOVER_FAILED_MAX][CRASH_ID_SIZE];
};

int recover_partials(const struct store *store, struct recover *recover);
int recover_tidy(const struct store *store, const char *id);
