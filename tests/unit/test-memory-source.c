// SPDX-License-Identifier: MIT
/* host-helper/helper/memory-source.c: frames of our own memory; limits, and holes of any length. */
#include "../../host-helper/helper/memory-source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../host-helper/helper/capture-report.h"
#include "test.h"

#define HEAD_BYTES  4096U
#define FRAME_BYTES (256U << 10)
#define HOLE_MOST   (256ULL << 30)

struct rig {
	struct memory_segment segment;
	struct memory_map map;
	struct memory_source *source;
	char head[HEAD_BYTES], *memory;
	int pagemap_fd;
};

/* A core of the head and so much memory of which nothing is touched. */
static void set_up(struct rig *rig, uint64_t size)
{
	rig->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(rig->memory != MAP_FAILED);
	memset(rig->head, 'h', sizeof(rig->head));
	rig->segment = (struct memory_segment){ .address = (uintptr_t)rig->memory,
						.offset = HEAD_BYTES,
						.size = size,
						.anonymous = true };
	rig->map = (struct memory_map){ &rig->segment, 1, HEAD_BYTES, HEAD_BYTES + size };
	rig->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	rig->source = calloc(1, sizeof(*rig->source));
	assert_non_null(rig->source);
	*rig->source = (struct memory_source){ .mem_fd = open("/proc/self/mem", O_RDONLY),
					       .head = rig->head,
					       .map = &rig->map,
					       .frame_bytes = FRAME_BYTES,
					       .max_bytes = UINT64_MAX,
					       .max_offset = UINT64_MAX };
	assert_true(rig->pagemap_fd >= 0 && rig->source->mem_fd >= 0);
	memory_source_init(rig->source, rig->pagemap_fd);
}

static void tear_down(struct rig *rig)
{
	munmap(rig->memory, rig->segment.size);
	close(rig->source->mem_fd);
	close(rig->pagemap_fd);
	free(rig->source);
}

/* Takes all frames, which must follow each other without a gap. Returns how it ended. */
static int take_all(struct rig *rig, uint64_t *ret_size, uint64_t *ret_longest_hole)
{
	struct frame_source frames = memory_source_frames(rig->source);
	struct frame *f = calloc(1, sizeof(*f));
	char *data = malloc(FRAME_BYTES);
	int r;

	assert_true(f && data);
	f->data = data;
	*ret_size = *ret_longest_hole = 0;
	for (;;) {
		f->zeros = 0;
		f->len = f->head_len = f->piece_count = 0;
		r = frames.next(frames.context, f);
		if (r <= 0)
			break;
		assert_int_equal(f->offset, *ret_size);
		assert_true((f->zeros > 0) != (f->len > 0));
		if (f->zeros == 0)
			assert_int_equal(frames.fill(frames.context, f), 0);
		if (f->offset == 0)
			assert_int_equal(f->data[0], 'h');
		*ret_size += f->zeros + f->len;
		if (f->zeros > *ret_longest_hole)
			*ret_longest_hole = f->zeros;
	}
	free(data);
	free(f);
	return r;
}

/* What is between two frames is looked at then: the deadline, the room on the disk. */
static void test_long_hole(void **state)
{
	struct rig rig;
	uint64_t size, hole;

	(void)state;
	set_up(&rig, 600ULL << 30);
	rig.memory[300ULL << 30] = 7;
	assert_int_equal(take_all(&rig, &size, &hole), 0);
	assert_int_equal(size, rig.map.core_size);
	assert_true(hole <= HOLE_MOST);
	/* The one page, and the head. */
	assert_int_equal(rig.source->copied, 4096);
	tear_down(&rig);
}

static void test_limits(void **state)
{
	static const struct {
		uint64_t max_bytes, max_offset, touched;
		int r;
		uint64_t size;
	} rows[] = {
		{ UINT64_MAX, UINT64_MAX, 0, 0, (1 << 20) + HEAD_BYTES },
		/* in a hole, on a frame's end, within a frame, within the head */
		{ UINT64_MAX, 700000, 0, LIMIT_MAX_OFFSET, 700000 },
		{ UINT64_MAX, FRAME_BYTES, 0, LIMIT_MAX_OFFSET, FRAME_BYTES },
		{ UINT64_MAX, 5000, 1 << 20, LIMIT_MAX_OFFSET, 5000 },
		{ UINT64_MAX, 100, 0, LIMIT_MAX_OFFSET, 100 },
		{ 300000, UINT64_MAX, 1 << 20, LIMIT_MAX_BYTES, 2 * FRAME_BYTES },
		{ 1 << 20, UINT64_MAX, 1 << 20, 0, (1 << 20) + HEAD_BYTES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig rig;
		uint64_t size, hole;

		set_up(&rig, 1 << 20);
		memset(rig.memory, 7, rows[i].touched);
		rig.source->max_bytes = rows[i].max_bytes;
		rig.source->max_offset = rows[i].max_offset;
		int r = take_all(&rig, &size, &hole);
		if (r != rows[i].r || size != rows[i].size)
			fail_msg("row %zu: %d, %llu bytes", i, r, (unsigned long long)size);
		tear_down(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_hole),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
