/* SPDX-License-Identifier: MIT */
/*
 * The work that is done on the victim's bytes, each piece of it in a confined process of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture-report.h"
#include "memory-map.h"

/* What comes before the memory: notes, about 4 KiB for each of the victim's threads. */
#define CAPTURE_HEAD_BYTES_MAX	 (64U << 20)
#define CAPTURE_HEAD_BYTES_LEAST (64U << 10)

/* A disk that was full for the core is full for the record too: this much is given back. */
#define CAPTURE_ROOM_BYTES (256 << 10)

/* Frames of a small core; more than that costs more than it brings. */
#define CAPTURE_BUFFER_BYTES (256U << 10)

#define CAPTURE_JOB_FDS 7

enum capture_job_kind {
	CAPTURE_JOB_LOOK,     /* only headers and notes; another job follows */
	CAPTURE_JOB_SPOOL,    /* memory -> core */
	CAPTURE_JOB_FRAMES,   /* memory -> core.zst */
	CAPTURE_JOB_PIPE,     /* what is taken already, and the rest of the pipe -> core.zst */
	CAPTURE_JOB_CHECK,    /* is core whole? */
	CAPTURE_JOB_MEND,     /* core.zst, of which the table is missing */
	CAPTURE_JOB_COMPRESS, /* core -> core.zst, with digests */
	CAPTURE_JOB_DIGEST,   /* digests of core.zst */
	CAPTURE_JOB_MEASURE,  /* how much core.zst unpacks to */
	CAPTURE_JOB_UNPACK,   /* core or core.zst -> out, raw */
};

struct capture_job {
	enum capture_job_kind kind;
	int pipe_fd, mem_fd, pagemap_fd, maps_fd; /* the victim's; -1: not of this job */
	int core_fd, zst_fd;			  /* the store's; -1: the same */
	int out_fd;				  /* a pipe, which is closed after the job */
	unsigned threads;
	size_t frame_bytes;		/* of a spool */
	uint64_t deadline_us;		/* CLOCK_MONOTONIC */
	uint64_t max_bytes, max_offset; /* of memory that is copied; of the raw core */
	uint64_t max_spool;		/* of a spool: if it needs more, it is -ENOSPC */
	uint64_t max_stored;		/* of core.zst, without its table */
	uint64_t digest_max;
	bool verify;

	uint64_t head_len;	    /* CAPTURE_JOB_PIPE: so much of the head is there */
	bool sent[CAPTURE_JOB_FDS]; /* descriptors, in their order above, that the process has */
};

/* What the helper and its confined processes share. */
struct capture_shared {
	struct capture_report *report; /* NULL: there is no memory for it */
	char *head;		       /* what was taken off the pipe before the memory */
	size_t head_space;	       /* bytes: up to CAPTURE_HEAD_BYTES_MAX */
};

/* In the confined process. */
struct capture_work {
	struct capture_job job;
	struct capture_shared shared;
	bool has_looked;
	int look_error;
	char *buffer; /* CAPTURE_BUFFER_BYTES, or NULL */
	struct memory_map map;
};

void capture_job_init(struct capture_job *job);
bool capture_job_run(struct capture_work *work);
enum capture_end capture_end_of(int error);
