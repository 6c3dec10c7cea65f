/* SPDX-License-Identifier: MIT */
/*
 * The core by way of the victim's memory: headers and notes as they came from the pipe, all else
 * from /proc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame-pump.h"
#include "memory-map.h"
#include "memory-scan.h"

struct memory_source {
	int mem_fd;	  /* /proc/TGID/task/TID/mem */
	const char *head; /* what comes before the memory, map->data_offset bytes */
	const struct memory_map *map;
	size_t frame_bytes;  /* FRAME_BYTES_MAX, or less by a power of two */
	uint64_t max_bytes;  /* no more than this is read; UINT64_MAX: all */
	uint64_t max_offset; /* the core is cut here */

	struct memory_scan scan;
	struct memory_piece piece; /* the next one */
	bool has_piece;
	uint64_t position, copied;
};

void memory_source_init(struct memory_source *source, int pagemap_fd);
struct frame_source memory_source_frames(struct memory_source *source);
