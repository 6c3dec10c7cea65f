/* SPDX-License-Identifier: MIT */
/*
 * Which memory belongs where in the core: from the core's own program headers, and from what
 * /proc/PID/maps says of each mapping.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_segment {
	uint64_t address, offset, size; /* in the victim, in the core; bytes */
	bool anonymous; /* private and of no file: pages that are not there are zeros */
};

struct memory_map {
	struct memory_segment *segments; /* in the order of the core */
	size_t count;
	uint64_t data_offset; /* where the first of them starts; headers and notes end before */
	uint64_t core_size;
};

int memory_map_header_size(const void *header, size_t len, uint64_t *ret_size);
int memory_map_parse(const void *head, size_t len, const char *maps, struct memory_map *ret_map);
void memory_map_release(struct memory_map *map);
