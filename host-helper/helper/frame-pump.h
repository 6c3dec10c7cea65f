/* SPDX-License-Identifier: MIT */
/*
 * The core as a row of frames: a source gives them in order, several threads fill and compress or
 * write them, a sink puts them in order again where that matters.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "seekable-format.h"

#define FRAME_BYTES_MAX	 SEEKABLE_FRAME_BYTES
#define FRAME_PIECES_MAX (FRAME_BYTES_MAX / 4096)
#define PUMP_THREADS_MAX 4

/* Memory that belongs into a frame. */
struct frame_piece {
	uint64_t address; /* in the victim */
	size_t at, size;  /* in the frame */
};

struct frame {
	uint64_t offset; /* in the core */
	uint64_t zeros;	 /* not 0: a run of so many zeros, and no data */
	size_t len;	 /* of data: at most FRAME_BYTES_MAX */
	char *data;	 /* room for that */

	/* for sources that fill() */
	size_t head_len; /* bytes at the start that are not memory */
	struct frame_piece pieces[FRAME_PIECES_MAX];
	size_t piece_count;

	/* for sinks with put() */
	const void *stored;
	size_t stored_len;
};

struct frame_source {
	/* The next frame: 1; 0: that was all; -errno.  Called by one thread at a time. */
	int (*next)(void *context, struct frame *frame);
	/* The rest of what next() began, by any thread; NULL: nothing is left to do.  0, -errno. */
	int (*fill)(void *context, struct frame *frame);
	void *context;
};

struct frame_sink {
	/* What each thread has of its own, or NULL. */
	int (*open)(void *context, void **ret_own);
	void (*close)(void *own);
	/* Takes one frame, by any thread. 0 or -errno. */
	int (*take)(void *context, void *own, struct frame *frame);
	/* The same, but in the order of the frames; NULL: not wanted. 0 or -errno. */
	int (*put)(void *context, struct frame *frame);
	void *context;
};

struct frame_pump {
	struct frame_source source;
	struct frame_sink sink;
	unsigned threads;     /* 1 to PUMP_THREADS_MAX */
	size_t frame_bytes;   /* what the frames need at most */
	char *buffer;	      /* so many bytes that may be used for frames, or NULL */
	uint64_t deadline_us; /* CLOCK_MONOTONIC */
};

int frame_pump(const struct frame_pump *pump, uint64_t *ret_complete);
