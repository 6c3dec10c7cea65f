// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/rate.c: exactly as many as the limit says, whoever asks at the same time; keys
 * that somebody makes up never free him who is at his limit.
 */
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

#include "../../host-helper/helper/rate.h"
#include "fd.h"
#include "test.h"

#define NOW	   1800000000000000ULL
#define SECOND_US  1000000ULL
#define PROCESSES  16
#define FILE_BYTES (32 + 2 * RATE_ENTRIES * 24)

static char dir[64];
static int storefd;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-rate.XXXXXX");
	assert_non_null(mkdtemp(dir));
	storefd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(storefd >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlinkat(storefd, "rates", 0);
	unlinkat(storefd, "other", 0);
	fd_close(&storefd);
	return rmdir(dir);
}

/* 1: allowed, 0: not, or -errno. */
static int ask(enum rate_kind kind, const char *key, uint32_t limit, uint64_t now_us)
{
	const struct rate_question question = { kind, { limit, 60000 }, key, strlen(key) };
	size_t refused = 99;
	int r = rate_check(storefd, &question, 1, now_us, &refused);

	return r < 0 ? r : (int)refused;
}

static int container(const char *key, uint64_t now_us)
{
	return ask(RATE_CONTAINER, key, 3, now_us);
}

static void test_as_many_as_the_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(container("a", NOW), 1);
	assert_int_equal(container("a", NOW), 0);
	/* Others have their own, and the other kind too. */
	assert_int_equal(container("b", NOW), 1);
	assert_int_equal(container("", NOW), 1);
	assert_int_equal(ask(RATE_SIGNATURE, "a", 1, NOW), 1);
	assert_int_equal(ask(RATE_SIGNATURE, "a", 1, NOW), 0);
	/* Until a minute after the first. */
	assert_int_equal(container("a", NOW + 60 * SECOND_US - 1), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(container("a", NOW + 60 * SECOND_US), 1);
	assert_int_equal(container("a", NOW + 60 * SECOND_US), 0);
}

static void test_no_limit_leaves_no_file(void **state)
{
	(void)state;
	assert_int_equal(ask(RATE_CONTAINER, "a", 0, NOW), 1);
	assert_int_equal(faccessat(storefd, "rates", F_OK, 0), -1);
}

static void test_the_clock(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(container("a", NOW), 1);
	/* A crash a moment earlier that comes later does not begin a new window. */
	assert_int_equal(container("a", NOW - SECOND_US), 0);
	assert_int_equal(container("a", NOW), 0);
	/* A clock that was set back does not hold anybody up for longer than a window. */
	assert_int_equal(container("a", NOW - 60 * SECOND_US), 1);
	assert_int_equal(container("a", 0), 1);
	assert_int_equal(container("a", UINT64_MAX), 1);
}

static void test_both_or_none_is_counted(void **state)
{
	const struct rate_question both[] = {
		{ RATE_SIGNATURE, { 2, 60000 }, "s", 1 },
		{ RATE_CONTAINER, { 3, 60000 }, "a", 1 },
	};
	size_t refused = 99;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rate_check(storefd, both, 2, NOW, &refused), 0);
		assert_int_equal(refused, 2);
	}
	for (int i = 0; i < 10; i++) {
		assert_int_equal(rate_check(storefd, both, 2, NOW, &refused), 0);
		assert_int_equal(refused, 0);
	}
	/* The refused ones took nothing from the container. */
	assert_int_equal(container("a", NOW), 1);
	assert_int_equal(container("a", NOW), 0);

	const struct rate_question full[] = {
		{ RATE_SIGNATURE, { 2, 60000 }, "t", 1 },
		{ RATE_CONTAINER, { 3, 60000 }, "a", 1 },
	};
	assert_int_equal(rate_check(storefd, full, 2, NOW, &refused), 0);
	assert_int_equal(refused, 1);
	assert_int_equal(ask(RATE_SIGNATURE, "t", 2, NOW), 1);
	assert_int_equal(ask(RATE_SIGNATURE, "t", 2, NOW), 1);
	assert_int_equal(ask(RATE_SIGNATURE, "t", 2, NOW), 0);
}

static void test_made_up_keys_free_nobody(void **state)
{
	struct stat st;
	char key[32];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(container("a", NOW), 1);
	assert_int_equal(container("b", NOW), 1);
	for (int i = 0; i < 3 * RATE_ENTRIES; i++) {
		snprintf(key, sizeof(key), "made-up-%d", i);
		assert_int_equal(ask(RATE_SIGNATURE, key, 3, NOW + 1), 1);
	}
	/* Of the other kind: nobody is forgotten. */
	assert_int_equal(container("a", NOW + 2), 0);
	assert_int_equal(container("b", NOW + 2), 1);
	assert_int_equal(container("b", NOW + 2), 1);
	assert_int_equal(container("b", NOW + 2), 0);
	for (int i = 0; i < 3 * RATE_ENTRIES; i++) {
		snprintf(key, sizeof(key), "made-up-%d", i);
		assert_int_equal(container(key, NOW + 3), 1);
	}
	/* Of the same kind: who is at its limit is not. */
	assert_int_equal(container("a", NOW + 4), 0);
	assert_int_equal(container("b", NOW + 4), 0);
	assert_int_equal(fstatat(storefd, "rates", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_size, FILE_BYTES);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void test_a_full_table_forgets_what_is_over(void **state)
{
	char key[32];

	(void)state;
	for (int i = 0; i < RATE_ENTRIES; i++) {
		snprintf(key, sizeof(key), "old-%d", i);
		for (int n = 0; n < 3; n++)
			assert_int_equal(container(key, NOW + (i == 0 ? 59 * SECOND_US : 0)), 1);
	}
	/* A minute later all of them but the first may go; it stays. */
	for (int i = 0; i < RATE_ENTRIES - 1; i++) {
		snprintf(key, sizeof(key), "new-%d", i);
		assert_int_equal(container(key, NOW + 60 * SECOND_US), 1);
	}
	assert_int_equal(container("old-0", NOW + 60 * SECOND_US), 0);
}

/* --- the file --- */

static void patch(off_t offset, char byte)
{
	cleanup_fd int fd = openat(storefd, "rates", O_WRONLY);

	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void resize(off_t size)
{
	cleanup_fd int fd = openat(storefd, "rates", O_WRONLY);

	assert_int_equal(ftruncate(fd, size), 0);
}

static void test_a_damaged_file_is_made_anew(void **state)
{
	static const struct {
		off_t patch, size; /* -1: not */
	} rows[] = {
		{ 0, -1 },
		{ 8, -1 },
		{ 12, -1 },
		{ -1, 0 },
		{ -1, 31 },
		{ -1, FILE_BYTES - 1 },
		{ -1, FILE_BYTES + 1 },
	};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int n = 0; n < 3; n++)
			assert_int_equal(container("a", NOW), 1);
		assert_int_equal(container("a", NOW), 0);
		if (rows[i].patch >= 0)
			patch(rows[i].patch, 'X');
		else
			resize(rows[i].size);
		assert_int_equal(container("b", NOW), 1);
		assert_int_equal(fstatat(storefd, "rates", &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(st.st_size, FILE_BYTES);
	}
}

static void test_any_content_is_coped_with(void **state)
{
	unsigned seed = 1;

	(void)state;
	assert_int_equal(container("a", NOW), 1);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 500; i++) {
			off_t offset = 32 + rand_r(&seed) % (FILE_BYTES - 32);

			patch(offset, (char)rand_r(&seed));
		}
		assert_in_range(container("a", NOW), 0, 1);
		assert_in_range(ask(RATE_SIGNATURE, "a", UINT32_MAX, NOW), 0, 1);
	}
}

static void test_a_file_that_is_not_ours_is_refused(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("other", storefd, "rates"), 0);
	assert_int_equal(container("a", NOW), -ELOOP);
	assert_int_equal(faccessat(storefd, "other", F_OK, 0), -1);
	assert_int_equal(unlinkat(storefd, "rates", 0), 0);
	assert_int_equal(mkfifoat(storefd, "rates", 0600), 0);
	assert_int_equal(container("a", NOW), -EPERM);
	assert_int_equal(unlinkat(storefd, "rates", 0), 0);
	assert_int_equal(container("a", NOW), 1);
	assert_int_equal(fchmodat(storefd, "rates", 0640, 0), 0);
	assert_int_equal(container("a", NOW), -EPERM);
	assert_int_equal(fchmodat(storefd, "rates", 0600, 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(storefd, "rates", 1000, -1, 0), 0);
		assert_int_equal(container("a", NOW), -EPERM);
	}
}

static void test_nobody_waits_for_ever(void **state)
{
	(void)state;
	assert_int_equal(container("a", NOW), 1);
	cleanup_fd int fd = openat(storefd, "rates", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(container("a", NOW), -ETIME);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_int_equal(container("a", NOW), 1);
}

/* --- several at once --- */

static void test_exact_among_many(void **state)
{
	pid_t pids[PROCESSES];
	int allowed = 0;

	(void)state;
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			int mine = 0;

			for (int n = 0; n < 20; n++) {
				/* Not all read the clock in the order in which they come. */
				int r = ask(RATE_CONTAINER, "a", 100, NOW + (uint64_t)(i * 7 % 5));

				if (r < 0)
					_exit(255);
				mine += r;
			}
			_exit(mine);
		}
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
		allowed += WEXITSTATUS(status);
	}
	assert_int_equal(allowed, 100);
}

static void test_the_killed_damage_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(container("a", NOW), 1);
	for (unsigned i = 0; i < 20; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			for (;;)
				ask(RATE_CONTAINER, "b", UINT32_MAX, NOW);
		usleep(300 * i);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(container("a", NOW), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_many_as_the_limit),
		TEST(test_no_limit_leaves_no_file),
		TEST(test_the_clock),
		TEST(test_both_or_none_is_counted),
		TEST(test_made_up_keys_free_nobody),
		TEST(test_a_full_table_forgets_what_is_over),
		TEST(test_a_damaged_file_is_made_anew),
		TEST(test_any_content_is_coped_with),
		TEST(test_a_file_that_is_not_ours_is_refused),
		TEST(test_nobody_waits_for_ever),
		TEST(test_exact_among_many),
		TEST(test_the_killed_damage_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
