/* SPDX-License-Identifier: MIT */
/*
 * The core, out of the kernel's pipe or the victim's memory, into a file of the store.
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

struct capture_request {
	int pipe_fd;
	int dirfd;  /* where the core's file is made: "core" or "core.zst" */
	int procfd; /* /proc/TGID/task/TID, or -1: from the pipe only */
	const char *maps;
	uint64_t resident_bytes; /* about as much has to be copied */
	uint64_t spool_max;	 /* more than this is taken from the pipe, and compressed at once */
	uint64_t max_block_ms;
	bool verify; /* compare with the pipe what was taken from memory */
};

struct capture_result {
	enum capture_end end;
	int error; /* -errno of what went wrong, or 0 */
	const char
		*file; /* CRASH_CORE_RAW_NAME or CRASH_CORE_ZST_NAME; NULL: nothing could be made */
	uint64_t raw_size, stored_size;
	uint64_t copied;     /* bytes of the core that were read; the rest are holes */
	bool verified;	     /* verify: it was the same */
	uint64_t differs_at; /* verify, and not: the first byte that was not */
};

/* Called between pieces of work that may be long. */
typedef void (*capture_tick_fn)(void *context);

void capture_core(const struct capture_request *request, struct capture_result *ret_result);
void capture_check(const struct capture_request *request, const struct capture_result *result,
		   struct crash *crash);
void capture_digests(int dirfd, struct crash *crash, capture_tick_fn tick, void *tick_context);
int capture_compress(int dirfd, struct crash *crash, capture_tick_fn tick, void *tick_context);
