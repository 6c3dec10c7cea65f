// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/housekeeping.c: one at a time, for all that ask, and nobody's request is lost.
 */
#include "../../host-helper/helper/housekeeping.h"

#include <sys/file.h>

#include "house.h"

#define CALLERS 50
#define LOCK	"housekeeping.lock"

static const struct quota_limits no_limits;

static int run(struct housekeeping_result *ret_result)
{
	return housekeeping_run(&house_store, &no_limits, house_mend, ret_result);
}

/* What a helper leaves that is killed while it captures. */
static int leave_partial(unsigned n)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	house_begin_record(n, &crash);
	int r = store_begin(&house_store, crash.id, &dirfd);
	return r < 0 ? r : store_write_record(&house_store, dirfd, &crash);
}

static size_t count_partials(void)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count;

	assert_int_equal(store_list_partial(&house_store, &ids, &count), 0);
	return count;
}

static void test_it_does_both(void **state)
{
	const struct quota_limits limits = { .max_records = 2 };
	struct housekeeping_result result;
	struct stat st;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(leave_partial(i), 0);
	assert_int_equal(housekeeping_run(&house_store, &limits, house_mend, &result), 0);
	assert_int_equal(result.runs, 1);
	assert_int_equal(result.recover.recovered, 5);
	assert_int_equal(result.records_removed, 3);
	assert_int_equal(result.quota.crashes, 2);
	assert_int_equal(fstatat(house_store.dir_fd, LOCK, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* A victim waits: nothing is mended, nobody is waited for. */
static void test_room_is_made_at_once(void **state)
{
	const struct quota_limits limits = { .max_records = 2 };
	struct housekeeping_result result;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(leave_partial(i), 0);
	assert_int_equal(run(&result), 0);
	assert_int_equal(leave_partial(5), 0);
	cleanup_fd int fd = openat(house_store.dir_fd, LOCK, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(housekeeping_make_room(&house_store, &limits, &result), HOUSEKEEPING_LEFT);
	assert_int_equal(result.records_removed, 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_int_equal(housekeeping_make_room(&house_store, &limits, &result), 0);
	assert_int_equal(result.records_removed, 3);
	assert_int_equal(count_partials(), 1);
	/* The lock is free again. */
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
}

/* Nobody else's file is taken for the lock. */
static void test_a_link_is_no_lock(void **state)
{
	struct housekeeping_result result;

	(void)state;
	assert_int_equal(symlinkat("/dev/null", house_store.dir_fd, LOCK), 0);
	assert_int_equal(run(&result), -ELOOP);
	assert_int_equal(result.runs, 0);
}

/* While another one is at it the request is left to it; it is answered at once. */
static void test_the_request_is_left(void **state)
{
	struct housekeeping_result result;
	char before[16] = "", after[16];

	(void)state;
	cleanup_fd int fd = openat(house_store.dir_fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(leave_partial(0), 0);
	assert_int_equal(run(&result), HOUSEKEEPING_LEFT);
	assert_int_equal(result.runs, 0);
	assert_int_equal(count_partials(), 1);
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_not_equal(before, after, sizeof(before));
	memcpy(before, after, sizeof(before));
	assert_int_equal(run(&result), HOUSEKEEPING_LEFT);
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_not_equal(before, after, sizeof(before));
}

static int asked;

/* Another one asks while the run is under way, too late for it to see what that one leaves. */
static int ask_meanwhile(int dirfd, int fd, uint64_t *ret_raw_size)
{
	struct housekeeping_result result;

	if (asked++ == 0) {
		assert_int_equal(leave_partial(1), 0);
		assert_int_equal(run(&result), HOUSEKEEPING_LEFT);
	}
	return house_mend(dirfd, fd, ret_raw_size);
}

static void test_who_is_at_it_starts_once_more(void **state)
{
	struct housekeeping_result result;
	cleanup_crash struct crash crash;
	int dirfd = -1;

	(void)state;
	house_begin_record(0, &crash);
	assert_int_equal(store_begin(&house_store, crash.id, &dirfd), 0);
	assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	house_zst(dirfd, "core.zst", 2, 1);
	fd_close(&dirfd);
	asked = 0;
	assert_int_equal(housekeeping_run(&house_store, &no_limits, ask_meanwhile, &result), 0);
	assert_int_equal(result.runs, 2);
	assert_int_equal(result.recover.recovered, 2);
	assert_int_equal(count_partials(), 0);
}

/* As many helpers that end at once, some of them leaving their crash to the others: each asks after
 * it has left it, and when the last one is gone nothing is left. */
static void test_many_at_once(void **state)
{
	unsigned runs = 0, left = 0;

	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		int start[2], counts[2];
		char byte;

		assert_int_equal(pipe2(start, O_CLOEXEC), 0);
		assert_int_equal(pipe2(counts, O_CLOEXEC), 0);
		for (unsigned i = 0; i < CALLERS; i++) {
			struct housekeeping_result result;

			if (house_fork() > 0)
				continue;
			close(start[1]);
			(void)!read(start[0], &byte, 1);
			if (leave_partial(round * CALLERS + i) < 0)
				_exit(1);
			int r = run(&result);
			byte = (char)(r == HOUSEKEEPING_LEFT ? 0 : result.runs);
			_exit(r < 0 || write(counts[1], &byte, 1) != 1);
		}
		close(start[0]);
		close(start[1]);
		for (unsigned i = 0; i < CALLERS; i++) {
			int status;

			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
			assert_int_equal(read(counts[0], &byte, 1), 1);
			runs += (unsigned char)byte;
			left += byte == 0;
		}
		close(counts[0]);
		close(counts[1]);
		assert_int_equal(count_partials(), 0);
	}
	print_message("%u requests, %u left to others, %u runs\n", 10 * CALLERS, left, runs);
	assert_true(left > 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_it_does_both),	 TEST(test_a_link_is_no_lock),
		TEST(test_room_is_made_at_once), TEST(test_a_link_is_no_lock),
		TEST(test_the_request_is_left),	 TEST(test_who_is_at_it_starts_once_more),
		TEST(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
