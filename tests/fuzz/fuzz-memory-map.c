// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/memory-map.c: program headers and the text of maps, both of which describe
 * what the victim has arranged.  Input: the head of a core, a NUL, maps.
 *
 * What is accepted is as a kernel writes it: one segment behind the other, by rising addresses,
 * within the numbers that a file can have.
 */
#include "../../host-helper/helper/memory-map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void check(const struct memory_map *map)
{
	uint64_t offset = map->data_offset, address = 0;

	assert(map->count > 0);
	for (size_t i = 0; i < map->count; i++) {
		const struct memory_segment *s = &map->segments[i];

		assert(s->offset == offset && s->offset % 4096 == 0 && s->size % 4096 == 0);
		assert(s->size > 0 && (i == 0 || s->address > address));
		assert(s->address + s->size > s->address);
		offset += s->size;
		address = s->address;
	}
	assert(offset == map->core_size && map->core_size <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t len = 42;
	struct memory_map map;
	/* The last NUL parts head and maps. */
	const uint8_t *nul = memrchr(data, 0, size);
	size_t head_len = nul ? (size_t)(nul - data) : size;
	size_t maps_len = nul ? size - head_len - 1 : 0;
	char *maps = malloc(maps_len + 1);

	assert(maps);
	if (maps_len > 0)
		memcpy(maps, nul + 1, maps_len);
	maps[maps_len] = '\0';
	int r = memory_map_header_size(data, head_len, &len);
	assert(r == 0 ? len >= 52 && len <= 64 + 0xffffULL * 56 : r == -EINVAL && len == 42);
	if (r == 0) {
		r = memory_map_parse(data, head_len, maps, &map);
		assert(r == 0 || r == -EINVAL);
		if (r == 0) {
			check(&map);
			memory_map_release(&map);
		}
	}
	free(maps);
	return 0;
}
