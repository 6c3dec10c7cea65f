/* SPDX-License-Identifier: MIT */
/*
 * What the confined process tells of its work: one page that it shares with the helper.
 *
 * Whoever took that process over writes here what he likes.  The helper believes none of it but
 * for the record's text: no number in it is used as a size or an index unchecked.
 */
#pragma once

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "digest.h"

/* Limits that end a capture, as errors: none of these is a system call's here. */
#define LIMIT_MAX_BYTES	 (-EMSGSIZE)  /* max_core */
#define LIMIT_MAX_OFFSET (-EOVERFLOW) /* honour_rlimit */
#define LIMIT_MAX_STORED (-EDOM)      /* keep_free */

/* Why there is no more of the core than there is. */
enum capture_end {
	CAPTURE_WHOLE,	   /* all that there was */
	CAPTURE_DISK_FULL, /* ENOSPC, EDQUOT */
	CAPTURE_TIME_OVER, /* max_block */
	CAPTURE_LIMIT,	   /* `error` tells which */
	CAPTURE_KILLED,	   /* the victim was, while it dumped */
	CAPTURE_ERROR,	   /* `error` */
};

struct capture_report {
	/* while it works */
	_Atomic bool taking;	/* just now bytes are taken off the pipe */
	_Atomic uint64_t taken; /* bytes that were taken off it */
	_Atomic bool done;	/* what follows is complete */
	bool lost; /* bytes were taken off the pipe that nobody has any more: zeros stand there */

	enum capture_end end;
	int32_t error;	   /* -errno, or 0 */
	uint64_t raw_size; /* of the core, as far as it came; bytes */
	uint64_t stored_size;
	uint64_t copied;   /* bytes that were read, without holes */
	uint64_t expected; /* what the core's headers promise; 0: they cannot be read */
	bool is_core;	   /* it is an ELF core at all */
	bool has_fault_address;
	uint64_t fault_address;
	bool verified;	     /* verify: it was the same */
	uint64_t differs_at; /* verify, and not: the first byte that was not */
	char core_sha256[DIGEST_HEX_SIZE], stored_sha256[DIGEST_HEX_SIZE]; /* or "" */
};
