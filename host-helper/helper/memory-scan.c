// SPDX-License-Identifier: MIT
/*
 * Walks through the victim's memory, and gives piece after piece of what has to be read.
 *
 * Holes are passed over in anonymous private mappings only: what is missing in the page tables of a
 * file's mapping still belongs into the core.  Swapped pages are no holes.  Memory for the walk is
 * bounded whatever the victim has mapped.  See: Documentation/admin-guide/mm/pagemap.rst.
 */
#include "memory-scan.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE_BYTES 4096U

/* <linux/fs.h> of Linux 6.7; Debian 12's is older.  See: PAGEMAP_SCAN. */
struct pm_scan_arg_v0 {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct page_region_v0 {
	uint64_t start, end, categories;
};
_Static_assert(_IOWR('f', 16, struct pm_scan_arg_v0) == MEMORY_SCAN_IOCTL, "PAGEMAP_SCAN");
#define PAGE_PRESENT (1U << 3)
#define PAGE_SWAPPED (1U << 4)
#define PAGE_ZERO    (1U << 5)
/* An entry of /proc/PID/pagemap */
#define ENTRY_PRESENT (1ULL << 63)
#define ENTRY_SWAPPED (1ULL << 62)

/* Starts at the first segment; both stay the caller's.  piece_bytes: pieces end where the file is
 * aligned to so many. */
void memory_scan_init(struct memory_scan *s, const struct memory_map *map, int pagemap_fd,
		      size_t piece_bytes)
{
	s->map = map;
	s->pagemap_fd = pagemap_fd;
	s->piece_bytes = piece_bytes;
	s->no_scan_ioctl = false;
	s->segment = s->region = s->region_count = 0;
	s->asked = map->segments[0].address;
}

static void add_region(struct memory_scan *s, uint64_t start, uint64_t end)
{
	struct memory_region *last = s->region_count ? &s->regions[s->region_count - 1] : NULL;

	if (last && last->end == start)
		last->end = end;
	else
		s->regions[s->region_count++] = (struct memory_region){ start, end };
}

static int ask_by_ioctl(struct memory_scan *s, uint64_t end)
{
	struct page_region_v0 found[MEMORY_REGIONS_MAX];
	struct pm_scan_arg_v0 arg = {
		.size = sizeof(arg),
		.start = s->asked,
		.end = end,
		.vec = (uintptr_t)found,
		.vec_len = MEMORY_REGIONS_MAX,
		.category_inverted = PAGE_ZERO,
		.category_mask = PAGE_ZERO,
		.category_anyof_mask = PAGE_PRESENT | PAGE_SWAPPED,
		.return_mask = PAGE_PRESENT | PAGE_SWAPPED,
	};
	int n = ioctl(s->pagemap_fd, MEMORY_SCAN_IOCTL, &arg);

	if (n < 0)
		return -errno;
	if (n > MEMORY_REGIONS_MAX || arg.walk_end <= s->asked || arg.walk_end > end)
		return -EIO;
	for (int i = 0; i < n; i++)
		add_region(s, found[i].start, found[i].end);
	s->asked = arg.walk_end;
	return 0;
}

static int ask_by_entries(struct memory_scan *s, uint64_t end)
{
	uint64_t pages = (end - s->asked) / PAGE_BYTES;
	uint64_t first = s->asked / PAGE_BYTES;
	size_t want = pages < MEMORY_ENTRIES_MAX ? (size_t)pages : MEMORY_ENTRIES_MAX;
	ssize_t n = pread(s->pagemap_fd, s->entries, want * 8, (off_t)(first * 8));

	if (n < 8)
		return n < 0 ? -errno : -EIO;
	for (size_t i = 0; i < (size_t)n / 8; i++) {
		if (s->region_count == MEMORY_REGIONS_MAX)
			return 0; /* the rest is asked again */
		if (s->entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED))
			add_region(s, s->asked, s->asked + PAGE_BYTES);
		s->asked += PAGE_BYTES;
	}
	return 0;
}

/* Fills regions[] with what comes behind `asked` in the segment. 0 or -errno. */
static int ask(struct memory_scan *s, const struct memory_segment *segment)
{
	uint64_t end = segment->address + segment->size;

	s->region = s->region_count = 0;
	if (!segment->anonymous) {
		add_region(s, s->asked, end);
		s->asked = end;
		return 0;
	}
	if (!s->no_scan_ioctl) {
		int r = ask_by_ioctl(s, end);

		if (r != -ENOTTY && r != -EINVAL)
			return r;
		s->no_scan_ioctl = true;
	}
	return ask_by_entries(s, end);
}

/*
 * The next piece, of at most piece_bytes, by rising offsets.  1; 0: that was all; or -errno.
 */
int memory_scan_next(struct memory_scan *s, struct memory_piece *ret_piece)
{
	while (s->segment < s->map->count) {
		const struct memory_segment *segment = &s->map->segments[s->segment];

		if (s->region < s->region_count) {
			struct memory_region *region = &s->regions[s->region];
			uint64_t size = region->end - region->start;
			uint64_t offset = segment->offset + (region->start - segment->address);
			uint64_t room = s->piece_bytes - offset % s->piece_bytes;

			if (size > room)
				size = room;
			*ret_piece = (struct memory_piece){ .address = region->start,
							    .offset = offset,
							    .size = (size_t)size };
			region->start += size;
			if (region->start == region->end)
				s->region++;
			return 1;
		}
		if (s->asked < segment->address + segment->size) {
			int r = ask(s, segment);

			if (r < 0)
				return r;
			continue;
		}
		s->segment++;
		s->region = s->region_count = 0;
		if (s->segment < s->map->count)
			s->asked = s->map->segments[s->segment].address;
	}
	return 0;
}
