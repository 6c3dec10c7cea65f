/* SPDX-License-Identifier: MIT */
/*
 * The core by way of the kernel's pipe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "capture-report.h"
#include "frame-pump.h"

struct pipe_source {
	int pipe_fd;
	uint64_t deadline_us; /* CLOCK_MONOTONIC */
	uint64_t max_bytes;   /* no more than this is kept, zeros not counted; UINT64_MAX: all */
	uint64_t max_offset;  /* the core is cut here */
	struct capture_report *report; /* is told of every byte that is taken */

	uint64_t position; /* in the core: of the next byte that the pipe gives */
	uint64_t copied;   /* bytes that were kept, but for frames of zeros */
	int end;	   /* what the frame after the last one gives */
};

int pipe_take(int pipe_fd, char *buf, size_t len, uint64_t deadline_us,
	      struct capture_report *report, size_t *ret_len);
struct frame_source pipe_source_frames(struct pipe_source *source);
