/* SPDX-License-Identifier: MIT */
/*
 * The core, from the kernel's pipe into a file of the store.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crash.h"

/* Why there is no more of the core than there is. */
enum capture_end {
	CAPTURE_WHOLE,	   /* the kernel's stream was taken to its end */
	CAPTURE_DISK_FULL, /* ENOSPC, EDQUOT, EFBIG */
	CAPTURE_TIME_OVER, /* max_block */
	CAPTURE_ERROR,	   /* result.error */
};

struct capture_result {
	enum capture_end end;
	int error; /* -errno of what went wrong, or 0 */
	uint64_t raw_size, stored_size;
};

/* Called between pieces of work that may be long. */
typedef void (*capture_tick_fn)(void *context);

void capture_pipe(int pipe_fd, int core_fd, uint64_t max_block_ms,
		  struct capture_result *ret_result);
void capture_check(int dirfd, const struct capture_result *result, struct crash *crash);
void capture_digests(int dirfd, struct crash *crash, capture_tick_fn tick, void *tick_context);
