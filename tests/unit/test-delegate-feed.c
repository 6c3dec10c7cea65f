// SPDX-License-Identifier: MIT
/* host-helper/helper/delegate-feed.c and capture-unpack.c: the raw core through a pipe, from a
 * confined process, whatever the reader does and whatever the file holds. */
#include "../../host-helper/helper/delegate-feed.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../host-helper/helper/capture.h"
#include "fd.h"
#include "seekable.h"
#include "test.h"

#define CORE_BYTES (5U * 1048576 + 4711)
#define HOLE_AT	   1000000U
#define HOLE_BYTES 3500000U

static char *core;
static char directory[] = "/tmp/coreferry-test.XXXXXX";
static int directory_fd;

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN); /* as the helper does */
	core = calloc(1, CORE_BYTES);
	for (unsigned i = 0; i < CORE_BYTES; i++)
		if (i < HOLE_AT || i >= HOLE_AT + HOLE_BYTES)
			core[i] = (char)(i * 2654435761U >> 24 | 1);
	assert_non_null(mkdtemp(directory));
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int raw = openat(directory_fd, "core", O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_int_equal(pwrite(raw, core, HOLE_AT, 0), HOLE_AT);
	assert_int_equal(pwrite(raw, core + HOLE_AT + HOLE_BYTES, CORE_BYTES - HOLE_AT - HOLE_BYTES,
				HOLE_AT + HOLE_BYTES),
			 CORE_BYTES - HOLE_AT - HOLE_BYTES);
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
	free(core);
	close(directory_fd);
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int create_zst(void)
{
	struct seekable_writer *writer = NULL;
	int fd;

	(void)unlinkat(directory_fd, "core.zst", 0);
	fd = openat(directory_fd, "core.zst", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_int_equal(seekable_writer_new(fd, 1, &writer), 0);
	assert_int_equal(seekable_writer_add(writer, core, HOLE_AT), 0);
	assert_int_equal(seekable_writer_add_zeros(writer, HOLE_BYTES), 0);
	assert_int_equal(seekable_writer_add(writer, core + HOLE_AT + HOLE_BYTES,
					     CORE_BYTES - HOLE_AT - HOLE_BYTES),
			 0);
	assert_int_equal(seekable_writer_finish(writer), 0);
	seekable_writer_free(&writer);
	return fd;
}

static void start(const char *name, struct delegate_feed *feed, int *in)
{
	assert_int_equal(delegate_feed_start(directory_fd, name, feed, in), 0);
}

static void test_whole(void **state)
{
	static const char *const names[] = { "core", "core.zst" };
	char *got = malloc(CORE_BYTES + 1);

	(void)state;
	close(create_zst());
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct delegate_feed feed;
		int in;

		start(names[i], &feed, &in);
		memset(got, 'x', CORE_BYTES + 1);
		assert_int_equal(fd_read_fill(in, got, CORE_BYTES + 1), CORE_BYTES);
		assert_memory_equal(got, core, CORE_BYTES);
		assert_int_equal(delegate_feed_end(&feed), 0);
		close(in);
	}
	free(got);
}

/* It has ended when this returns, and soon: as nobody reads, nobody stops reading, or at once. */
static void test_nobody_reads(void **state)
{
	(void)state;
	for (int part = 0; part < 3; part++) {
		struct delegate_feed feed;
		struct timespec before, after;
		char buf[100];
		int in;

		start("core", &feed, &in);
		pid_t pid = feed.process.pid;
		if (part > 0)
			assert_int_equal(read(in, buf, sizeof(buf)), sizeof(buf));
		if (part > 1)
			fd_close(&in);
		clock_gettime(CLOCK_MONOTONIC, &before);
		assert_int_equal(delegate_feed_end(&feed), 0);
		clock_gettime(CLOCK_MONOTONIC, &after);
		assert_true(after.tv_sec - before.tv_sec < 2);
		assert_int_equal(kill(pid, 0), -1);
		fd_close(&in);
	}
}

/* Ours is the only other end: the reader sees the end of the core, also where there is an error. */
static void test_damaged(void **state)
{
	struct delegate_feed feed;
	char *got = malloc(CORE_BYTES + 1);
	int in, fd = create_zst();
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "xxxxxxxxxxxxxxxx", 16, st.st_size / 2), 16);
	start("core.zst", &feed, &in);
	assert_true(fd_read_fill(in, got, CORE_BYTES + 1) < CORE_BYTES);
	assert_int_equal(delegate_feed_end(&feed), -EBADMSG);
	close(in);

	/* no table */
	assert_int_equal(ftruncate(fd, 1000), 0);
	start("core.zst", &feed, &in);
	assert_int_equal(fd_read_fill(in, got, 100), 0);
	assert_int_equal(delegate_feed_end(&feed), -EBADMSG);
	close(in);
	close(fd);
	free(got);
}

static void test_ended(void **state)
{
	struct delegate_feed feed;
	char buf[100];
	int in;

	(void)state;
	start("core", &feed, &in);
	assert_int_equal(read(in, buf, sizeof(buf)), sizeof(buf));
	kill(feed.process.pid, SIGKILL);
	assert_int_equal(delegate_feed_end(&feed), -ECHILD);
	close(in);
	assert_int_equal(delegate_feed_start(directory_fd, "no-core", &feed, &in), -ENOENT);
}

/* A core that is recovered: its table, as a confined process reads it; made where it is missing. */
static void test_measured(void **state)
{
	uint64_t size = 0;
	int fd = create_zst();
	struct stat st;

	(void)state;
	assert_int_equal(capture_mend(directory_fd, fd, &size), 0);
	assert_int_equal(size, CORE_BYTES);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size - 30), 0);
	size = 0;
	assert_int_equal(capture_mend(directory_fd, fd, &size), 0);
	assert_int_equal(size, CORE_BYTES);
	/* the same table again */
	struct stat mended;
	assert_int_equal(fstat(fd, &mended), 0);
	assert_int_equal(mended.st_size, st.st_size);
	close(fd);
}

/* What it may say of the size, and what is believed. */
static void test_raw_size(void **state)
{
	(void)state;
	assert_int_equal(confined_raw_size(5000, 100), 5000);
	assert_int_equal(confined_raw_size(100ULL << 15, 100), 100ULL << 15);
	assert_int_equal(confined_raw_size((101ULL << 15), 100), 0);
	assert_int_equal(confined_raw_size(UINT64_MAX, 100), 0);
	assert_int_equal(confined_raw_size(0, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	 cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_damaged),	 cmocka_unit_test(test_ended),
		cmocka_unit_test(test_measured), cmocka_unit_test(test_raw_size),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
