/* SPDX-License-Identifier: MIT */
/*
 * Walks through the victim's memory, and gives piece after piece of what has to be read: all of a
 * mapping, but for the pages of anonymous ones that were never touched.
 */
#pragma once

#include <stdbool.h>

#include "memory-map.h"

#define MEMORY_SCAN_IOCTL  0xc0606610UL /* PAGEMAP_SCAN, of Linux 6.7 */
#define MEMORY_REGIONS_MAX 512		/* that are asked for at once */
#define MEMORY_ENTRIES_MAX 4096		/* of /proc/PID/pagemap, the same */

struct memory_region {
	uint64_t start, end; /* addresses */
};

struct memory_piece {
	uint64_t address, offset;
	size_t size;
};

struct memory_scan {
	const struct memory_map *map;
	int pagemap_fd;
	size_t piece_bytes;
	bool no_scan_ioctl; /* before Linux 6.7 */
	size_t segment;	    /* in which we are */
	uint64_t asked;	    /* address up to which regions[] is known */
	struct memory_region regions[MEMORY_REGIONS_MAX];
	size_t region, region_count;
	uint64_t entries[MEMORY_ENTRIES_MAX];
};

void memory_scan_init(struct memory_scan *scan, const struct memory_map *map, int pagemap_fd,
		      size_t piece_bytes);
int memory_scan_next(struct memory_scan *scan, struct memory_piece *ret_piece);
