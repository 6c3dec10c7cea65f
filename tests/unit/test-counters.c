// SPDX-License-Identifier: MIT
/* common/counters.c: no count is lost, whoever is first and whoever is killed; a file that is not
 * ours is replaced and not read. */
#include "counters.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

#define PROCESSES 16

static char dir[64];
static int storefd;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-counters.XXXXXX");
	assert_non_null(mkdtemp(dir));
	storefd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(storefd >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlinkat(storefd, COUNTERS_FILE_NAME, 0);
	unlinkat(storefd, COUNTERS_FILE_NAME, AT_REMOVEDIR);
	unlinkat(storefd, "." COUNTERS_FILE_NAME ".new", 0);
	unlinkat(storefd, "other", 0);
	fd_close(&storefd);
	return rmdir(dir);
}

static void read_all(struct counters_snapshot *snapshot)
{
	cleanup_counters struct counters counters = { 0 };

	assert_int_equal(counters_open(storefd, getgid(), false, &counters), 0);
	assert_int_equal(counters_read(&counters, snapshot), 0);
}

static uint64_t value(enum counter counter)
{
	struct counters_snapshot snapshot;

	read_all(&snapshot);
	return snapshot.value[counter];
}

static int add_once(enum counter counter, uint64_t n)
{
	cleanup_counters struct counters counters = { 0 };
	int r = counters_open(storefd, getgid(), true, &counters);

	counters_add(&counters, counter, n);
	return r;
}

static void test_counts_stay(void **state)
{
	cleanup_counters struct counters counters = { 0 };
	struct counters_snapshot snapshot;
	struct stat st;

	(void)state;
	assert_int_equal(counters_open(storefd, getgid(), false, &counters), -ENOENT);
	assert_int_equal(counters_read(&counters, &snapshot), -EBADF);
	counters_add(&counters, COUNTER_SEEN, 1); /* nothing is open: nothing happens */

	mode_t mask = umask(0777);
	assert_int_equal(add_once(COUNTER_SEEN, 1), 0);
	umask(mask);
	assert_int_equal(fstatat(storefd, COUNTERS_FILE_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_true(st.st_blocks > 0);
	assert_int_equal(fstatat(storefd, ".counters.new", &st, AT_SYMLINK_NOFOLLOW), -1);

	assert_int_equal(add_once(COUNTER_SEEN, 2), 0);
	assert_int_equal(add_once(COUNTER_CAPTURED_BYTES, 1ULL << 40), 0);
	read_all(&snapshot);
	for (int i = 0; i < COUNTER_COUNT; i++)
		assert_int_equal(snapshot.value[i], i == COUNTER_SEEN		  ? 3
						    : i == COUNTER_CAPTURED_BYTES ? 1ULL << 40
										  : 0);

	/* A reader cannot count. */
	assert_int_equal(counters_open(storefd, getgid(), false, &counters), 0);
	counters_add(&counters, COUNTER_SEEN, 1);
	assert_int_equal(value(COUNTER_SEEN), 3);
}

static void test_given_to_the_group(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	cleanup_counters struct counters counters = { 0 };
	assert_int_equal(counters_open(storefd, 4711, true, &counters), 0);
	assert_int_equal(fstatat(storefd, COUNTERS_FILE_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_gid, 4711);
	assert_int_equal(st.st_uid, 0);
}

/* --- what stands in the file's place --- */

static void patch(off_t offset, unsigned char byte)
{
	cleanup_fd int fd = openat(storefd, COUNTERS_FILE_NAME, O_WRONLY);

	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void resize(int by)
{
	cleanup_fd int fd = openat(storefd, COUNTERS_FILE_NAME, O_WRONLY);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size + by), 0);
}

static void spoil_magic(void)
{
	patch(0, 'X');
}
static void spoil_version(void)
{
	patch(8, 0);
}
static void spoil_layout(void)
{
	patch(12, COUNTER_COUNT - 1);
}
static void spoil_shorter(void)
{
	resize(-1);
}
static void spoil_longer(void)
{
	resize(1);
}
static void spoil_empty(void)
{
	assert_int_equal(unlinkat(storefd, COUNTERS_FILE_NAME, 0), 0);
	assert_int_equal(mknodat(storefd, COUNTERS_FILE_NAME, S_IFREG | 0640, 0), 0);
}
static void spoil_mode(void)
{
	assert_int_equal(fchmodat(storefd, COUNTERS_FILE_NAME, 0660, 0), 0);
}
static void spoil_owner(void)
{
	assert_int_equal(fchownat(storefd, COUNTERS_FILE_NAME, 1000, -1, AT_SYMLINK_NOFOLLOW), 0);
}
static void spoil_fifo(void)
{
	assert_int_equal(unlinkat(storefd, COUNTERS_FILE_NAME, 0), 0);
	assert_int_equal(mkfifoat(storefd, COUNTERS_FILE_NAME, 0640), 0);
}
static void spoil_link(void)
{
	assert_int_equal(renameat(storefd, COUNTERS_FILE_NAME, storefd, "other"), 0);
	assert_int_equal(symlinkat("other", storefd, COUNTERS_FILE_NAME), 0);
}

static const struct {
	const char *name;
	void (*spoil)(void);
	int reader;
	bool needs_root;
} spoilers[] = {
	{ "magic", spoil_magic, -EINVAL, false },   { "version", spoil_version, -EINVAL, false },
	{ "layout", spoil_layout, -EINVAL, false }, { "shorter", spoil_shorter, -EINVAL, false },
	{ "longer", spoil_longer, -EINVAL, false }, { "empty", spoil_empty, -EINVAL, false },
	{ "mode", spoil_mode, -EINVAL, false },	    { "owner", spoil_owner, -EINVAL, true },
	{ "fifo", spoil_fifo, -EINVAL, false },	    { "link", spoil_link, -ELOOP, false },
};

static void test_not_ours_is_replaced(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spoilers); i++) {
		cleanup_counters struct counters counters = { 0 };
		struct stat st;

		if (spoilers[i].needs_root && geteuid() != 0)
			continue;
		assert_int_equal(add_once(COUNTER_SEEN, 7), 0);
		spoilers[i].spoil();
		print_message("%s\n", spoilers[i].name);
		assert_int_equal(counters_open(storefd, getgid(), false, &counters),
				 spoilers[i].reader);
		assert_null(counters.map);
		assert_int_equal(add_once(COUNTER_SEEN, 1), 0);
		assert_int_equal(value(COUNTER_SEEN), 1);
		assert_int_equal(fstatat(storefd, COUNTERS_FILE_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0640);
		assert_int_equal(unlinkat(storefd, COUNTERS_FILE_NAME, 0), 0);
	}
	/* What the link led to is as it was. */
	assert_int_equal(renameat(storefd, "other", storefd, COUNTERS_FILE_NAME), 0);
	assert_int_equal(value(COUNTER_SEEN), 7);
}

static void test_a_directory_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(storefd, COUNTERS_FILE_NAME, 0700), 0);
	assert_int_equal(add_once(COUNTER_SEEN, 1), -EISDIR);
}

/* --- several at once --- */

static void run_children(void (*work)(unsigned number))
{
	pid_t pids[PROCESSES];

	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			work(i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void count_once(unsigned number)
{
	(void)number;
	if (add_once(COUNTER_SEEN, 1) < 0)
		_exit(1);
}

static void count_often(unsigned number)
{
	cleanup_counters struct counters counters = { 0 };

	if (counters_open(storefd, getgid(), true, &counters) < 0)
		_exit(1);
	for (unsigned i = 0; i < 1000; i++) {
		counters_add(&counters, COUNTER_SEEN, 1);
		counters_add(&counters, COUNTER_STORED_BYTES, number);
		counters_held(&counters, 1000 * i);
	}
}

static void test_all_at_once(void **state)
{
	struct counters_snapshot snapshot;

	(void)state;
	for (int i = 1; i <= 20; i++) {
		run_children(count_once); /* of all that make the file one is the first */
		assert_int_equal(value(COUNTER_SEEN), PROCESSES);
		patch(0, 'X');
		run_children(count_once); /* of all that replace it, too */
		assert_int_equal(value(COUNTER_SEEN), PROCESSES);
		assert_int_equal(unlinkat(storefd, COUNTERS_FILE_NAME, 0), 0);
	}
	run_children(count_often);
	read_all(&snapshot);
	assert_int_equal(snapshot.value[COUNTER_SEEN], PROCESSES * 1000);
	assert_int_equal(snapshot.value[COUNTER_STORED_BYTES],
			 1000 * (PROCESSES - 1) * PROCESSES / 2);
	assert_int_equal(snapshot.held_count, PROCESSES * 1000);
	assert_int_equal(snapshot.held_sum_us, PROCESSES * 1000ULL * 999 * 1000 / 2);
}

static bool has_open(pid_t pid, const char *name)
{
	for (int fd = 0; fd < 64; fd++) {
		char path[64], target[256];

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strstr(target, dir) && strstr(target, name))
			return true;
	}
	return false;
}

/*
 * A child finds no counters, and waits for us, who hold the lock of the new ones, to change what is
 * there.  Its exit status: 0, or 2 where we were too slow for it.
 */
static int count_while_we_hold_the_lock(const char *from, const char *to)
{
	int start[2], status;
	char byte = 0;

	/* The child is there before the lock is, so that it does not inherit it. */
	assert_int_equal(pipe2(start, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (read(start[0], &byte, 1) != 1)
			_exit(1);
		int r = add_once(COUNTER_SEEN, 1);
		_exit(r == 0 ? 0 : r == -ETIME ? 2 : 1);
	}
	cleanup_fd int lock = openat(storefd, ".counters.new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(write(start[1], &byte, 1), 1);
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < 1000 && !has_open(pid, ".counters.new"); i++)
		usleep(500);
	assert_int_equal(renameat(storefd, from, storefd, to), 0);
	assert_int_equal(flock(lock, LOCK_UN), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_another_was_first(void **state)
{
	int code = 2;

	(void)state;
	for (int i = 0; i < 10 && code == 2; i++) {
		(void)unlinkat(storefd, COUNTERS_FILE_NAME, 0);
		assert_int_equal(add_once(COUNTER_SEEN, 7), 0);
		assert_int_equal(renameat(storefd, COUNTERS_FILE_NAME, storefd, "other"), 0);
		code = count_while_we_hold_the_lock("other", COUNTERS_FILE_NAME);
	}
	assert_int_equal(code, 0);
	assert_int_equal(value(COUNTER_SEEN), 8);
	assert_int_equal(faccessat(storefd, ".counters.new", F_OK, 0), -1);
}

static void test_the_new_file_is_gone_meanwhile(void **state)
{
	int code = 2;

	(void)state;
	for (int i = 0; i < 10 && code == 2; i++) {
		(void)unlinkat(storefd, COUNTERS_FILE_NAME, 0);
		code = count_while_we_hold_the_lock(".counters.new", "other");
	}
	assert_int_equal(code, 0);
	assert_int_equal(value(COUNTER_SEEN), 1);
}

static void test_a_killed_writer_damages_nothing(void **state)
{
	uint64_t before = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			for (;;)
				add_once(COUNTER_SEEN, 1);
		}
		/* One of the kills comes while the file is made. */
		if (i % 4 == 0)
			(void)unlinkat(storefd, COUNTERS_FILE_NAME, 0), before = 0;
		usleep(200 * (unsigned)i);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(add_once(COUNTER_SEEN, 1), 0);
		assert_true(value(COUNTER_SEEN) > before);
		before = value(COUNTER_SEEN);
	}
}

static void test_a_file_begun_by_a_killed_one(void **state)
{
	cleanup_fd int fd = openat(storefd, ".counters.new", O_WRONLY | O_CREAT, 0600);
	static const char longer[8192] = "CFCOUNT";

	(void)state;
	assert_int_equal(write(fd, longer, sizeof(longer)), sizeof(longer));
	assert_int_equal(add_once(COUNTER_SEEN, 1), 0);
	assert_int_equal(value(COUNTER_SEEN), 1);
	assert_int_equal(faccessat(storefd, ".counters.new", F_OK, 0), -1);
}

static void test_a_page_that_is_not_there(void **state)
{
	cleanup_counters struct counters counters = { 0 };
	struct counters_snapshot snapshot;

	(void)state;
	assert_int_equal(counters_open(storefd, getgid(), true, &counters), 0);
	cleanup_fd int fd = openat(storefd, COUNTERS_FILE_NAME, O_WRONLY);
	assert_int_equal(ftruncate(fd, 0), 0);
	/* As when the disk has no room to write the page again: by itself it would be SIGBUS. */
	counters_add(&counters, COUNTER_SEEN, 1);
	counters_held(&counters, 1);
	assert_int_equal(counters_read(&counters, &snapshot), -EIO);
}

static void test_a_child_does_not_count(void **state)
{
	cleanup_counters struct counters counters = { 0 };
	int status;

	(void)state;
	assert_int_equal(counters_open(storefd, getgid(), true, &counters), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		counters_add(&counters, COUNTER_SEEN, 1);
		counters_held(&counters, 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	counters_add(&counters, COUNTER_STORED, 1);
	assert_int_equal(value(COUNTER_SEEN), 0);
	assert_int_equal(value(COUNTER_STORED), 1);
}

/* --- how they are shown --- */

static void test_held(void **state)
{
	static const struct {
		uint64_t us;
		size_t bucket;
	} rows[] = {
		{ 0, 0 },     { 1000, 0 },	{ 1001, 1 },	  { 25000, 4 },
		{ 25001, 5 }, { 60000000, 14 }, { 60000001, 15 }, { 1ULL << 50, 15 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_counters struct counters counters = { 0 };
		struct counters_snapshot snapshot;

		assert_int_equal(counters_open(storefd, getgid(), true, &counters), 0);
		counters_held(&counters, rows[i].us);
		assert_int_equal(counters_read(&counters, &snapshot), 0);
		for (size_t b = 0; b < COUNTERS_HELD_BUCKETS; b++)
			assert_int_equal(snapshot.held[b], b == rows[i].bucket);
		assert_int_equal(snapshot.held_count, 1);
		assert_int_equal(snapshot.held_sum_us, rows[i].us);
		assert_int_equal(unlinkat(storefd, COUNTERS_FILE_NAME, 0), 0);
	}
	for (size_t b = 1; b < COUNTERS_HELD_BOUNDS; b++)
		assert_true(counters_held_bounds_us[b] > counters_held_bounds_us[b - 1]);
}

static void check_word(const char *word)
{
	assert_true(islower(word[0]));
	for (; *word; word++)
		assert_true(islower(*word) || *word == '_');
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < COUNTER_COUNT; i++) {
		const struct counter_name *a = &counter_names[i];

		assert_non_null(a->name);
		assert_non_null(a->help);
		check_word(a->name);
		assert_int_equal(a->label == NULL, a->value == NULL);
		if (a->label) {
			check_word(a->label);
			check_word(a->value);
		}
		for (int j = 0; j < i; j++) {
			const struct counter_name *b = &counter_names[j];

			if (strcmp(a->name, b->name) != 0)
				continue;
			assert_non_null(a->label);
			assert_string_equal(a->label, b->label);
			assert_string_equal(a->help, b->help);
			assert_string_not_equal(a->value, b->value);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts_stay),
		TEST(test_given_to_the_group),
		TEST(test_not_ours_is_replaced),
		TEST(test_a_directory_is_an_error),
		TEST(test_all_at_once),
		TEST(test_another_was_first),
		TEST(test_the_new_file_is_gone_meanwhile),
		TEST(test_a_killed_writer_damages_nothing),
		TEST(test_a_file_begun_by_a_killed_one),
		TEST(test_a_page_that_is_not_there),
		TEST(test_a_child_does_not_count),
		TEST(test_held),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
