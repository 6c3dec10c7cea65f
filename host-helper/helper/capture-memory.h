/* SPDX-License-Identifier: MIT */
/*
 * The core by way of the victim's memory: headers and notes from the pipe, all else from /proc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_capture {
	int mem_fd, pagemap_fd; /* /proc/TGID/task/TID/mem, pagemap */
	const char *maps;	/* text of /proc/PID/maps */
	uint64_t deadline_us;	/* CLOCK_MONOTONIC */
};

/* What was read of the pipe before the memory begins: in each case it belongs into the core. */
struct memory_head {
	char *data;
	size_t len;
};

int capture_memory(const struct memory_capture *capture, int pipe_fd, int spool_fd,
		   struct memory_head *ret_head, uint64_t *ret_size, uint64_t *ret_copied);
