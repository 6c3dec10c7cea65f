// SPDX-License-Identifier: MIT
/*
 * What list, info and dump are made of: crashes found by name, damaged records refused, cores
 * copied out with their holes and checked, and hostile text made fit for a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "../../host-helper/cli/core-export.h"
#include "../../host-helper/cli/crash-lookup.h"
#include "../../host-helper/cli/show.h"
#include "../../host-helper/cli/store-usage.h"
#include "fd.h"
#include "seekable.h"

#define OLD  "20261121T023753.123456Z-4166-9f3c"
#define NEW  "20261121T023754.000000Z-7-0001"
#define NEW2 "20261121T023754.000000Z-71-0002"

#define CORE_BYTES  (3U << 20)
#define FRAME_BYTES (1U << 20)

static char dir[64];
static struct store store;

static void add_crash(const char *id, const char *recorded_id)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	snprintf(crash.id, sizeof(crash.id), "%s", recorded_id);
	assert_int_equal(store_begin(&store, id, &dirfd), 0);
	assert_int_equal(store_write_record(&store, dirfd, &crash), 0);
	assert_int_equal(store_publish(&store, id), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-cli-store.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(store_open(dir, true, &store), 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	store_close(&store);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_a_crash_is_found_by_name(void **state)
{
	static const struct {
		const char *name, *id;
	} rows[] = {
		{ "", NULL },
		{ ".", NULL },
		{ "../crashes/" OLD, NULL },
		{ OLD "/", NULL },
		{ OLD "x", NULL },
		{ "2026", NULL },
		{ "20261121T023754.000000Z-7", NULL },
		{ "las", NULL },
		{ "last ", NULL },
		{ OLD, OLD },
		{ "20261121T023753", OLD },
		{ "20261121T023754.000000Z-7-", NEW },
		{ NEW, NEW },
		{ "last", NEW2 },
	};
	char id[CRASH_ID_SIZE];

	(void)state;
	assert_int_equal(crash_lookup(&store, "last", id), EX_NOINPUT);
	add_crash(OLD, OLD);
	add_crash(NEW, NEW);
	add_crash(NEW2, NEW2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(crash_lookup(&store, rows[i].name, id),
				 rows[i].id ? EX_OK : EX_NOINPUT);
		if (rows[i].id)
			assert_string_equal(id, rows[i].id);
	}
}

static int lookup(const char *id)
{
	cleanup_crash struct crash crash;

	crash_init(&crash);
	return crash_lookup_record(&store, id, NULL, &crash, NULL, NULL);
}

static void test_a_damaged_record_is_refused(void **state)
{
	cleanup_crash struct crash crash;
	cleanup_free char *text = NULL;
	cleanup_fd int dirfd = -1;
	size_t len;

	(void)state;
	crash_init(&crash);
	add_crash(OLD, OLD);
	add_crash(NEW, OLD);
	assert_int_equal(lookup(NEW), -EINVAL);
	assert_int_equal(lookup(NEW2), -ENOENT);
	assert_int_equal(lookup("../crashes"), -EINVAL);
	assert_int_equal(crash_lookup_record(&store, OLD, &dirfd, &crash, &text, &len), 0);
	assert_string_equal(crash.id, OLD);
	assert_int_equal(strlen(text), len);

	assert_int_equal(unlinkat(dirfd, CRASH_JSON_NAME, 0), 0);
	assert_int_equal(lookup(OLD), -EINVAL);
	assert_int_equal(mkfifoat(dirfd, CRASH_JSON_NAME, 0600), 0);
	assert_int_equal(lookup(OLD), -EINVAL);
}

static void test_usage_counts(void **state)
{
	struct store_usage usage;
	cleanup_fd int dirfd = -1;

	(void)state;
	add_crash(OLD, OLD);
	add_crash(NEW, NEW);
	assert_int_equal(store_begin(&store, NEW2, &dirfd), 0);
	assert_int_equal(store_usage_read(&store, &usage), 0);
	assert_int_equal(usage.crashes, 2);
	assert_int_equal(usage.partial, 1);
	assert_int_equal(usage.unreadable, 0);
	assert_true(usage.bytes > 0 && usage.free_bytes > 0);
}

/* A core with data at its start and before its end, and nothing in between and behind. */
static void make_core(char *core)
{
	memset(core, 0, CORE_BYTES);
	memset(core, 'a', 5000);
	memset(core + CORE_BYTES - 20000, 'b', 7000);
}

static struct core_reader *stored_core(const char *core, bool zst)
{
	const char *name = zst ? CRASH_CORE_ZST_NAME : CRASH_CORE_RAW_NAME;
	struct core_reader *reader = NULL;
	cleanup_fd int fd = openat(store.crashes_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (zst) {
		struct seekable_writer *writer = NULL;

		assert_int_equal(seekable_writer_new(fd, 1, &writer), 0);
		for (size_t at = 0; at < CORE_BYTES; at += FRAME_BYTES)
			assert_int_equal(seekable_writer_add(writer, core + at, FRAME_BYTES), 0);
		assert_int_equal(seekable_writer_finish(writer), 0);
		seekable_writer_free(&writer);
	} else {
		assert_int_equal(fd_write_all(fd, core, CORE_BYTES), 0);
	}
	assert_int_equal(core_reader_open_at(store.crashes_fd, name, &reader), 0);
	return reader;
}

static void hash(const char *core, char hex[DIGEST_HEX_SIZE])
{
	struct sha256_ctx digest;

	digest_init(&digest);
	digest_update(&digest, core, CORE_BYTES);
	digest_finish_hex(&digest, hex);
}

static void check_export(const char *core, bool zst, bool sparse, const char *sha256, int expected)
{
	cleanup_core_reader struct core_reader *reader = stored_core(core, zst);
	cleanup_fd int fd = openat(store.crashes_fd, "out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	cleanup_free char *copy = malloc(CORE_BYTES);
	struct core_export export = { .fd = fd, .sparse = sparse, .sha256 = sha256 };
	struct stat st;

	assert_int_equal(core_export(reader, &export), expected);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, CORE_BYTES);
	assert_int_equal(fd_pread_all(fd, copy, CORE_BYTES, 0), 0);
	assert_memory_equal(copy, core, CORE_BYTES);
	if (sparse)
		assert_true(st.st_blocks * 512 <= 64 << 10);
}

static void test_a_core_is_copied_and_checked(void **state)
{
	cleanup_free char *core = malloc(CORE_BYTES);
	char good[DIGEST_HEX_SIZE], bad[DIGEST_HEX_SIZE];

	(void)state;
	make_core(core);
	hash(core, good);
	memcpy(bad, good, sizeof(bad));
	bad[0] = bad[0] == '0' ? '1' : '0';
	for (int i = 0; i < 4; i++) {
		check_export(core, i & 1, i & 2, good, 0);
		check_export(core, i & 1, i & 2, NULL, 0);
		check_export(core, i & 1, i & 2, "", 0);
		check_export(core, i & 1, i & 2, bad, CORE_EXPORT_DIFFERS);
	}
	/* All holes: there is no block at the end that would give the file its length. */
	memset(core, 0, CORE_BYTES);
	check_export(core, true, true, NULL, 0);
}

static void test_a_copy_that_cannot_be_whole_says_so(void **state)
{
	cleanup_free char *core = malloc(CORE_BYTES);
	volatile sig_atomic_t stop = 1;

	(void)state;
	make_core(core);
	cleanup_core_reader struct core_reader *reader = stored_core(core, false);
	cleanup_fd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct core_export export = { .fd = full };
	assert_int_equal(core_export(reader, &export), -ENOSPC);
	assert_true(export.is_writing);

	export.stop = &stop;
	assert_int_equal(core_export(reader, &export), -EINTR);

	/* The stored core lost its end after it was opened. */
	cleanup_fd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	export = (struct core_export){ .fd = null };
	assert_int_equal(ftruncate(core_reader_fd(reader), 5000), -1);
	cleanup_fd int raw = openat(store.crashes_fd, CRASH_CORE_RAW_NAME, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(raw, 5000), 0);
	assert_int_equal(core_export(reader, &export), -EBADMSG);
	assert_false(export.is_writing);
}

static void test_text_is_made_fit_for_a_terminal(void **state)
{
	static const struct {
		const char *bytes;
		size_t columns;
		const char *expected;
	} rows[] = {
		{ NULL, 10, "-" },
		{ "", 10, "-" },
		{ "/bin/true", 9, "/bin/true" },
		{ "/bin/true", 8,
		  "...\x2f"
		  "true" },
		{ "a\x1b[2Jb\n", 40, "a\\x1b[2Jb\\x0a" },
		{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9", 5,
		  "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9" },
		{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9", 4, "...\xc3\xa9" },
		{ "\xe2\x80\xae"
		  "evil",
		  40, "\\xe2\\x80\\xaeevil" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cleanup_free char *text = show_tail(rows[i].bytes, rows[i].columns, "-");

		assert_string_equal(text, rows[i].expected);
	}
}

static void test_numbers_and_times(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *expected;
	} rows[] = {
		{ 0, "0B" },	  { 1023, "1023B" },	{ 1024, "1.0K" },      { 10239, "9.9K" },
		{ 10240, "10K" }, { 3U << 20, "3.0M" }, { UINT64_MAX, "15E" },
	};
	char text[SHOW_TIME_SIZE], size[SHOW_SIZE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		show_size(rows[i].bytes, size);
		assert_string_equal(size, rows[i].expected);
	}
	setenv("TZ", "XXX-05:30", 1);
	tzset();
	show_local_time(1795228673123456, text);
	assert_string_equal(text, "2026-11-21T08:07:53+05:30");
	show_local_time(UINT64_MAX, text);
	assert_string_equal(text, "?");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_crash_is_found_by_name),
		TEST(test_a_damaged_record_is_refused),
		TEST(test_usage_counts),
		TEST(test_a_core_is_copied_and_checked),
		TEST(test_a_copy_that_cannot_be_whole_says_so),
		cmocka_unit_test(test_text_is_made_fit_for_a_terminal),
		cmocka_unit_test(test_numbers_and_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
