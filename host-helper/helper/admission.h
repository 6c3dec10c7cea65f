/* SPDX-License-Identifier: MIT */
/*
 * Whether a core is taken, and how much of it: decided before the capture, by the configuration.
 *
 * The record holds what the victim chose; it is matched and hashed, and never becomes part of a
 * reason.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "counters.h"
#include "crash.h"

#define ADMISSION_REASON_SIZE 256

struct admission_request {
	const struct config *config;
	const struct crash *crash; /* time, ids, signal, exe, container_, rlimit_core */
	bool has_rlimit;	   /* crash->rlimit_core is known: %c was passed */
	int storefd;
	uint64_t fs_free_bytes, fs_total_bytes; /* of the store's file system */
	uint64_t resident_bytes;		/* of the victim's memory, swap too; 0: not known */
};

struct admission {
	bool refused;
	enum counter counter;		    /* which refusal */
	char reason[ADMISSION_REASON_SIZE]; /* why; "" where not refused */

	/* Else, UINT64_MAX being no limit: */
	uint64_t max_bytes;  /* of memory that may be copied: max_core; the rest is left out */
	uint64_t max_offset; /* the raw core ends here: honour_rlimit */
	uint64_t max_disk;   /* that the stored core may take: keep_free */
	bool fits_spool;     /* the memory may be copied as it is and compressed afterwards */
	/* Why a core that is cut by them is truncated; "" without the limit. */
	char max_bytes_reason[ADMISSION_REASON_SIZE], max_offset_reason[ADMISSION_REASON_SIZE];
};

void admission_decide(const struct admission_request *request, struct admission *ret_admission);
void admission_decide_space(const struct admission_request *request,
			    struct admission *ret_admission);
