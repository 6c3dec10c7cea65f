// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/turns.c: whoever crashes without end keeps nobody else waiting.
 */
#include "../../host-helper/helper/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "test.h"

#define SLOTS	  4
#define SHORT_US  50000U
#define SECOND_US 1000000U
#define HUNDREDS  256

static char dir[64];
static int storefd;

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-turns.XXXXXX");
	assert_non_null(mkdtemp(dir));
	storefd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(storefd >= 0);
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
	fd_close(&storefd);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static uint64_t soon(void)
{
	return clock_monotonic_us() + SHORT_US;
}

static void test_owner(void **state)
{
	struct crash crash;
	char owner[TURN_OWNER_SIZE], name[2000];

	(void)state;
	crash_init(&crash);
	crash.uid = 1000;
	turn_owner(&crash, owner);
	assert_string_equal(owner, "uid:1000");
	assert_int_equal(crash_set_string(&crash.container_runtime, "lxc"), 0);
	assert_int_equal(crash_set_string(&crash.container_name, "test"), 0);
	turn_owner(&crash, owner);
	assert_string_equal(owner, "lxc:test");
	assert_int_equal(crash_set_string(&crash.container_id, "abc"), 0);
	turn_owner(&crash, owner);
	assert_string_equal(owner, "lxc:abc");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(crash_set_string(&crash.container_id, name), 0);
	turn_owner(&crash, owner);
	assert_int_equal(strlen(owner), TURN_OWNER_SIZE - 1);
	/* Whatever id a user makes up: it is his. */
	crash.container_owner = 1001;
	turn_owner(&crash, owner);
	assert_string_equal(owner, "owner:1001");
	crash_release(&crash);
}

/* Of several slots one is always left to others. */
static void test_the_last_slot_is_another_ones(void **state)
{
	struct turn turns[SLOTS + 1];

	(void)state;
	for (int i = 0; i < SLOTS + 1; i++)
		turns[i] = (struct turn){ -1, -1 };
	for (int i = 0; i < SLOTS - 1; i++)
		assert_int_equal(turn_take_capture(storefd, "uid:1", SLOTS, soon(), &turns[i]), 0);
	assert_int_equal(turn_take_capture(storefd, "uid:1", SLOTS, soon(), &turns[SLOTS]), -ETIME);
	turn_end(&turns[SLOTS]);
	assert_int_equal(turn_take_capture(storefd, "uid:2", SLOTS, soon(), &turns[SLOTS - 1]), 0);
	assert_int_equal(turn_take_capture(storefd, "uid:3", SLOTS, soon(), &turns[SLOTS]), -ETIME);
	turn_end(&turns[SLOTS]);
	turn_end(&turns[0]);
	assert_int_equal(turn_take_capture(storefd, "uid:3", SLOTS, soon(), &turns[0]), 0);
	for (int i = 0; i < SLOTS + 1; i++)
		turn_end(&turns[i]);
}

static void test_one_slot(void **state)
{
	struct turn a = { -1, -1 }, b = { -1, -1 };

	(void)state;
	assert_int_equal(turn_take_capture(storefd, "uid:1", 1, soon(), &a), 0);
	assert_int_equal(turn_take_capture(storefd, "uid:2", 1, soon(), &b), -ETIME);
	turn_end(&a);
	turn_end(&b);
	assert_int_equal(turn_take_capture(storefd, "uid:2", 1, soon(), &b), 0);
	turn_end(&b);
}

/*
 * Both slots are at work for one owner, and many more of its crashes wait: another one's single
 * crash is begun when its patience is over.
 */
static void test_work_does_not_wait_for_ever(void **state)
{
	struct turn busy[2] = { { -1, -1 }, { -1, -1 } }, own = { -1, -1 }, other = { -1, -1 };

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(turn_take_work(storefd, "uid:1", 2, UINT64_MAX, &busy[i]), 0);
	/* One of its own waits, before the other one. */
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct turn mine = { -1, -1 };

		for (int i = 0; i < 2; i++)
			turn_end(&busy[i]); /* the parent has them, too */
		(void)turn_take_work(storefd, "uid:1", 2, UINT64_MAX, &mine);
		pause();
	}
	uint64_t start_us = clock_monotonic_us();
	assert_int_equal(turn_take_work(storefd, "uid:2", 2, start_us + SHORT_US, &other), -ETIME);
	assert_true(clock_monotonic_us() - start_us < SECOND_US);
	assert_int_equal(turn_take_work(storefd, "uid:2", 2, UINT64_MAX, &other), 0);
	uint64_t waited_us = clock_monotonic_us() - start_us;
	assert_true(waited_us > 2 * SECOND_US && waited_us < 8 * SECOND_US);
	/* It works without a slot, and is the only one of its owner that does. */
	assert_int_equal(other.slot_fd, -1);
	assert_true(other.lane_fd >= 0);
	assert_int_equal(turn_take_work(storefd, "uid:2", 2, soon(), &own), -ETIME);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 2; i++)
		turn_end(&busy[i]);
	turn_end(&other);
	assert_int_equal(turn_take_work(storefd, "uid:2", 2, soon(), &own), 0);
	assert_true(own.slot_fd >= 0);
	assert_int_equal(own.lane_fd, -1);
	turn_end(&own);
}

static void test_unfinished_work_is_bounded(void **state)
{
	static int fds[HUNDREDS];
	int one_more = -1, other = -1;

	(void)state;
	for (int i = 0; i < HUNDREDS; i++) {
		fds[i] = -1;
		assert_true(turn_take_unfinished(storefd, "uid:1", &fds[i]));
		assert_true(fds[i] >= 0);
	}
	assert_false(turn_take_unfinished(storefd, "uid:1", &one_more));
	assert_true(turn_take_unfinished(storefd, "uid:2", &other));
	fd_close(&other);
	fd_close(&fds[17]);
	assert_true(turn_take_unfinished(storefd, "uid:1", &one_more));
	fd_close(&one_more);
	for (int i = 0; i < HUNDREDS; i++)
		fd_close(&fds[i]);
	/* Where nothing can be counted, work goes on. */
	fd_close(&storefd);
	assert_true(turn_take_unfinished(storefd, "uid:1", &one_more));
	assert_int_equal(one_more, -1);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_owner),
		TEST(test_the_last_slot_is_another_ones),
		TEST(test_one_slot),
		TEST(test_work_does_not_wait_for_ever),
		TEST(test_unfinished_work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
