// SPDX-License-Identifier: MIT
/* common/seekable-*.c, core-reader.c: any range comes back; damage and lies in the table are seen.
 */
#include "seekable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "seekable-format.h"
#include "test.h"

#define RAW_BYTES (3 * SEEKABLE_FRAME_BYTES + 12345)

static unsigned char *make_raw(void)
{
	unsigned char *raw = malloc(RAW_BYTES);

	assert_non_null(raw);
	for (size_t i = 0; i < RAW_BYTES; i++)
		raw[i] = (unsigned char)(i < SEEKABLE_FRAME_BYTES ? 0 : (i * i) >> 7);
	return raw;
}

static int write_seekable(const unsigned char *raw, size_t len)
{
	struct seekable_writer *w;
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
	for (size_t i = 0; i < len; i += SEEKABLE_FRAME_BYTES) {
		size_t n = len - i < SEEKABLE_FRAME_BYTES ? len - i : SEEKABLE_FRAME_BYTES;

		assert_int_equal(seekable_writer_add(w, raw + i, n), 0);
	}
	assert_int_equal(seekable_writer_raw_size(w), len);
	assert_int_equal(seekable_writer_finish(w), 0);
	assert_int_equal(seekable_writer_stored_size(w), lseek(fd, 0, SEEK_END));
	seekable_writer_free(&w);
	return fd;
}

static void test_ranges(void **state)
{
	static const struct {
		uint64_t offset;
		size_t len;
	} rows[] = {
		{ 0, RAW_BYTES },
		{ RAW_BYTES, 1 },
		{ RAW_BYTES + 1000, 1 },
		{ UINT64_MAX, 10 },
		{ RAW_BYTES - 1, 100 },
		{ SEEKABLE_FRAME_BYTES - 1, 2 },
		{ SEEKABLE_FRAME_BYTES, 1 },
		{ 2 * SEEKABLE_FRAME_BYTES - 7, SEEKABLE_FRAME_BYTES + 14 },
		{ 5, 0 },
		{ 300000, 200000 }, /* backwards, within a frame */
		{ 100, 100 },
	};
	cleanup_free unsigned char *raw = make_raw();
	cleanup_free unsigned char *buf = malloc(RAW_BYTES);
	cleanup_fd int fd = write_seekable(raw, RAW_BYTES);
	struct seekable_reader *r;

	(void)state;
	assert_int_equal(seekable_reader_new(fd, &r), 0);
	assert_int_equal(seekable_reader_size(r), RAW_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t left = rows[i].offset < RAW_BYTES ? RAW_BYTES - rows[i].offset : 0;
		size_t want = rows[i].len < left ? rows[i].len : (size_t)left;

		assert_int_equal(seekable_reader_pread(r, buf, rows[i].len, rows[i].offset), want);
		if (want > 0)
			assert_memory_equal(buf, raw + rows[i].offset, want);
	}
	seekable_reader_free(&r);
}

static void test_empty(void **state)
{
	cleanup_fd int fd = write_seekable(NULL, 0);
	struct seekable_reader *r;
	char byte;

	(void)state;
	assert_int_equal(seekable_reader_new(fd, &r), 0);
	assert_int_equal(seekable_reader_size(r), 0);
	assert_int_equal(seekable_reader_pread(r, &byte, 1, 0), 0);
	seekable_reader_free(&r);
}

/* Every single byte that is turned over is either seen, or does not change what is read. */
static void test_damage(void **state)
{
	cleanup_free unsigned char *raw = make_raw();
	cleanup_free unsigned char *buf = malloc(RAW_BYTES);
	cleanup_fd int fd = write_seekable(raw, 5000);
	off_t size = lseek(fd, 0, SEEK_END);

	(void)state;
	for (off_t at = 0; at < size; at++) {
		struct seekable_reader *r;
		unsigned char byte;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (seekable_reader_new(fd, &r) == 0) {
			ssize_t n = seekable_reader_pread(r, buf, 5000, 0);

			assert_true(n == -EBADMSG || (n == 5000 && memcmp(buf, raw, 5000) == 0));
			seekable_reader_free(&r);
		}
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
}

static void test_cut_off(void **state)
{
	cleanup_free unsigned char *raw = make_raw();
	cleanup_fd int fd = write_seekable(raw, 5000);
	off_t size = lseek(fd, 0, SEEK_END);
	struct seekable_reader *r;

	(void)state;
	for (off_t len = size - 1; len >= 0; len--) {
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(seekable_reader_new(fd, &r), -EBADMSG);
	}
}

static void test_drop_last(void **state)
{
	cleanup_free unsigned char *raw = make_raw();
	cleanup_fd int fd = memfd_create("test", MFD_CLOEXEC);
	struct seekable_writer *w;
	struct seekable_reader *r;
	char byte;

	(void)state;
	assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
	assert_int_equal(seekable_writer_drop_last(w), -ENOENT);
	assert_int_equal(seekable_writer_add(w, raw, 0), -EINVAL);
	assert_int_equal(seekable_writer_add(w, raw, SEEKABLE_FRAME_BYTES + 1), -EINVAL);
	assert_int_equal(seekable_writer_add(w, raw, 1000), 0);
	assert_int_equal(seekable_writer_add(w, raw, 2000), 0);
	assert_int_equal(seekable_writer_drop_last(w), 0);
	assert_int_equal(seekable_writer_finish(w), 0);
	seekable_writer_free(&w);
	assert_int_equal(seekable_reader_new(fd, &r), 0);
	assert_int_equal(seekable_reader_size(r), 1000);
	assert_int_equal(seekable_reader_pread(r, &byte, 1, 999), 1);
	seekable_reader_free(&r);
}

/* Zeros, by the 64 MiB and by the byte, between data: few bytes stored, and each range as it was.
 */
static void test_zeros(void **state)
{
	const uint64_t zeros = 3ULL * SEEKABLE_ZEROS_BYTES + 2 * SEEKABLE_FRAME_BYTES + 5;
	cleanup_fd int fd = memfd_create("test", MFD_CLOEXEC);
	struct seekable_writer *w;
	struct seekable_reader *r;
	char buf[8], expected[8] = { 0, 0, 'e', 'n', 'd', 0, 0, 0 };

	(void)state;
	assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
	assert_int_equal(seekable_writer_add(w, "start", 5), 0);
	assert_int_equal(seekable_writer_add_zeros(w, zeros), 0);
	assert_int_equal(seekable_writer_add(w, "end", 3), 0);
	assert_int_equal(seekable_writer_add_zeros(w, 0), 0);
	assert_int_equal(seekable_writer_finish(w), 0);
	assert_true(seekable_writer_stored_size(w) < 64 * 1024);
	seekable_writer_free(&w);
	assert_int_equal(seekable_reader_new(fd, &r), 0);
	assert_int_equal(seekable_reader_size(r), 5 + zeros + 3);
	assert_int_equal(seekable_reader_pread(r, buf, 5, 5 + zeros - 2), 5);
	assert_memory_equal(buf, expected, 5);
	assert_int_equal(seekable_reader_pread(r, buf, 2, SEEKABLE_ZEROS_BYTES + 4), 2);
	assert_memory_equal(buf, expected, 2);
	seekable_reader_free(&r);
}

/* /dev/full takes nothing: the writer says so and stays as it was. */
/* Cut off at any byte: what of it is whole frames comes back, and what is added behind it. */
static void test_mend(void **state)
{
	unsigned char *raw = make_raw();
	int whole = write_seekable(raw, RAW_BYTES);
	uint64_t size = (uint64_t)lseek(whole, 0, SEEK_END);
	unsigned char *bytes = malloc(size), *back = malloc(RAW_BYTES + 3);

	(void)state;
	assert_true(bytes && back);
	assert_int_equal(fd_pread_all(whole, bytes, size, 0), 0);
	for (uint64_t cut = 0; cut <= size; cut += cut < 64 || size - cut < 64 ? 1 : size / 50) {
		int fd = memfd_create("test", MFD_CLOEXEC);
		struct seekable_writer *w;
		struct seekable_reader *r;

		assert_int_equal(fd_write_all(fd, bytes, cut), 0);
		assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
		assert_int_equal(seekable_writer_mend(w), 0);
		uint64_t kept = seekable_writer_raw_size(w);
		assert_true(kept % SEEKABLE_FRAME_BYTES == 0 || kept == RAW_BYTES);
		assert_int_equal(seekable_writer_add(w, "end", 3), 0);
		assert_int_equal(seekable_writer_finish(w), 0);
		seekable_writer_free(&w);
		assert_int_equal(seekable_reader_new(fd, &r), 0);
		assert_int_equal(seekable_reader_size(r), kept + 3);
		assert_int_equal(seekable_reader_pread(r, back, RAW_BYTES + 3, 0), kept + 3);
		assert_memory_equal(back, raw, kept);
		assert_memory_equal(back + kept, "end", 3);
		seekable_reader_free(&r);
		close(fd);
	}
	close(whole);
	free(bytes);
	free(back);
	free(raw);
}

static void test_mend_zeros_and_junk(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct seekable_writer *w;

	(void)state;
	assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
	assert_int_equal(seekable_writer_add_zeros(w, 2ULL * SEEKABLE_ZEROS_BYTES), 0);
	uint64_t stored = seekable_writer_stored_size(w);
	seekable_writer_free(&w);
	assert_int_equal(pwrite(fd, "(\xb5/\xfd junk", 9, (off_t)stored), 9);
	assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
	assert_int_equal(seekable_writer_mend(w), 0);
	assert_int_equal(seekable_writer_raw_size(w), 2ULL * SEEKABLE_ZEROS_BYTES);
	assert_int_equal(lseek(fd, 0, SEEK_END), stored);
	seekable_writer_free(&w);
	close(fd);
}

static void test_no_room(void **state)
{
	cleanup_fd int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct seekable_writer *w;

	(void)state;
	assert_int_equal(seekable_writer_new(fd, 1, &w), 0);
	assert_int_equal(seekable_writer_add(w, "x", 1), -ENOSPC);
	assert_int_equal(seekable_writer_raw_size(w), 0);
	assert_int_equal(seekable_writer_stored_size(w), 0);
	assert_int_equal(seekable_writer_finish(w), -ENOSPC);
	seekable_writer_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_drop_last),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_mend),
		cmocka_unit_test(test_mend_zeros_and_junk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
