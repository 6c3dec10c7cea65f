// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/slots.c, file-lock.c: never more than there are slots, in the order of
 * arrival, never longer than the deadline; and a killed process holds nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../host-helper/helper/file-lock.h"
#include "../../host-helper/helper/slots.h"
#include "config.h"
#include "fd.h"
#include "test.h"

#define SECOND_US  1000000ULL
#define LONG_US	   (60 * SECOND_US)
#define STRESS	   64
#define STRESS_MAX 5
#define QUEUE	   8

static char dir[64];
static int storefd;

/* Of all processes of a test. */
static struct shared {
	int inside, most, taken;
	int order[QUEUE], arrived;
} * shared;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-slots.XXXXXX");
	assert_non_null(mkdtemp(dir));
	storefd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(storefd >= 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(shared != MAP_FAILED);
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
	munmap(shared, sizeof(*shared));
	fd_close(&storefd);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int take(unsigned count, uint64_t wait_us, int *ret_fd)
{
	return slots_take(storefd, SLOTS_CAPTURE, count, now_us() + wait_us, ret_fd);
}

static size_t count_fds(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_each_slot_once(void **state)
{
	int fds[4] = { -1, -1, -1, -1 }, other;
	size_t before = count_fds();

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(take(4, 0, &fds[i]), 0);
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	}
	assert_int_equal(count_fds(), before + 4);
	assert_int_equal(take(4, 0, &other), -ETIME);
	assert_int_equal(count_fds(), before + 4);
	/* Another pool has its own. */
	assert_int_equal(slots_take(storefd, SLOTS_COMPRESS, 1, 0, &other), 0);
	fd_close(&other);
	fd_close(&fds[2]);
	assert_int_equal(take(4, 0, &fds[2]), 0);
	for (int i = 0; i < 4; i++)
		fd_close(&fds[i]);
	assert_int_equal(count_fds(), before);
}

static void test_count(void **state)
{
	(void)state;
	assert_int_equal(slots_count(1), 1);
	assert_int_equal(slots_count(7), 7);
	assert_int_equal(slots_count(UINT32_MAX), CONFIG_SLOTS_MAX);
	assert_true(slots_count(0) >= 4);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	assert_true(slots_count(0) <= (cpus * 2 > 4 ? cpus * 2 : 4));
}

/* --- many processes --- */

static pid_t spawn(void (*work)(int), int number)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A test that fails leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work(number);
		_exit(0);
	}
	return pid;
}

static void assert_ends_well(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void hold_shortly(int number)
{
	int fd = -1;

	if (take(STRESS_MAX, LONG_US, &fd) < 0)
		_exit(1);
	int inside = __atomic_add_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
	int most = __atomic_load_n(&shared->most, __ATOMIC_SEQ_CST);
	while (inside > most && !__atomic_compare_exchange_n(&shared->most, &most, inside, false,
							     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	usleep(500 * (1 + (unsigned)number % 4));
	__atomic_sub_fetch(&shared->inside, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->taken, 1, __ATOMIC_SEQ_CST);
	if (number % 3 == 0)
		kill(getpid(), SIGKILL);
}

static void test_never_more_than_there_are(void **state)
{
	pid_t pids[STRESS];

	(void)state;
	for (int i = 0; i < STRESS; i++)
		pids[i] = spawn(hold_shortly, i);
	for (int i = 0; i < STRESS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, i % 3 == 0 ? SIGKILL : 0);
	}
	assert_int_equal(shared->taken, STRESS);
	assert_in_range(shared->most, 2, STRESS_MAX);
}

/* Until the process has a lock, or waits for one (which "->" marks). See: proc(5), /proc/locks. */
static void wait_for_lock_of(pid_t pid, bool waiting)
{
	uint64_t deadline = now_us() + 10 * SECOND_US;

	while (now_us() < deadline) {
		cleanup_free char *text = NULL;
		char *save = NULL, wanted[32];
		size_t len;

		snprintf(wanted, sizeof(wanted), " WRITE %d ", pid);
		assert_int_equal(file_read_at(AT_FDCWD, "/proc/locks", 1U << 20, &text, &len), 0);
		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			if (strstr(line, wanted) && (strstr(line, "->") != NULL) == waiting)
				return;
		usleep(1000);
	}
	fail_msg("process %d has come to no lock", pid);
}

static void queue_up(int number)
{
	int fd = -1;

	if (take(1, LONG_US, &fd) < 0)
		_exit(1);
	shared->order[__atomic_fetch_add(&shared->arrived, 1, __ATOMIC_SEQ_CST)] = number;
	usleep(2000);
}

static void hold_for_ever(int number)
{
	int fd = -1;

	(void)number;
	if (take(1, LONG_US, &fd) < 0)
		_exit(1);
	__atomic_store_n(&shared->taken, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static pid_t spawn_holder(void)
{
	pid_t pid = spawn(hold_for_ever, 0);
	uint64_t deadline = now_us() + 10 * SECOND_US;

	while (!__atomic_load_n(&shared->taken, __ATOMIC_SEQ_CST)) {
		assert_true(now_us() < deadline);
		usleep(1000);
	}
	return pid;
}

static void kill_and_reap(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_in_the_order_of_arrival(void **state)
{
	pid_t holder = spawn_holder(), pids[QUEUE];

	(void)state;
	for (int i = 0; i < QUEUE; i++) {
		pids[i] = spawn(queue_up, i);
		/* The first has the turn, the others wait for it. */
		wait_for_lock_of(pids[i], i > 0);
	}
	assert_int_equal(shared->arrived, 0);
	kill_and_reap(holder);
	for (int i = 0; i < QUEUE; i++)
		assert_ends_well(pids[i]);
	for (int i = 0; i < QUEUE; i++)
		assert_int_equal(shared->order[i], i);
}

static void test_the_killed_hold_nothing(void **state)
{
	pid_t holder = spawn_holder();
	int fd = -1;

	(void)state;
	assert_int_equal(take(1, 0, &fd), -ETIME);
	/* One whose turn it is, and one who waits for it. */
	pid_t first = spawn(queue_up, 0);
	wait_for_lock_of(first, false);
	pid_t second = spawn(queue_up, 1);
	wait_for_lock_of(second, true);
	kill_and_reap(first);
	wait_for_lock_of(second, false);
	kill_and_reap(second);
	kill_and_reap(holder);
	assert_int_equal(shared->arrived, 0);
	assert_int_equal(take(1, 0, &fd), 0);
	fd_close(&fd);
}

/* --- the deadline --- */

static void assert_times_out(uint64_t wait_us)
{
	uint64_t start = now_us();
	int fd = -1;

	assert_int_equal(take(1, wait_us, &fd), -ETIME);
	assert_int_equal(fd, -1);
	uint64_t took = now_us() - start;
	assert_true(took >= wait_us);
	assert_true(took < wait_us + 10 * SECOND_US);
}

static void test_no_slot_until_the_deadline(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(take(1, 0, &fd), 0);
	assert_times_out(0);
	assert_times_out(30000);
	fd_close(&fd);
	assert_int_equal(take(1, 0, &fd), 0);
	fd_close(&fd);
}

static void count_signal(int signal)
{
	(void)signal;
	shared->arrived++;
}

static void test_no_turn_until_the_deadline(void **state)
{
	const struct sigaction mine = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
	struct sigaction before, after;
	sigset_t set, pending;
	int fd = -1;

	(void)state;
	assert_int_equal(take(1, 0, &fd), 0); /* makes the files */
	fd_close(&fd);
	cleanup_fd int slots = openat(storefd, "slots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int turn = openat(slots, "capture.turn", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(turn, LOCK_EX), 0);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	assert_int_equal(sigaction(SIGRTMIN, &mine, &before), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	assert_times_out(0);
	assert_times_out(30000);
	/* All is as it was, and no signal of the timer is left. */
	usleep(30000);
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGRTMIN));
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, &pending), 0);
	assert_true(sigismember(&pending, SIGRTMIN));
	usleep(30000);
	assert_int_equal(shared->arrived, 0);
	assert_int_equal(sigaction(SIGRTMIN, &before, &after), 0);
	assert_ptr_equal(after.sa_handler, count_signal);
	assert_int_equal(after.sa_flags & SA_RESTART, SA_RESTART);
}

static void interrupt_parent(int number)
{
	(void)number;
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		kill(getppid(), SIGUSR1);
	}
}

static void test_other_signals_do_not_end_the_wait(void **state)
{
	const struct sigaction mine = { .sa_handler = count_signal };
	struct sigaction before;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &mine, &before), 0);
	cleanup_fd int a = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int b = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(a, LOCK_EX), 0);
	pid_t pid = spawn(interrupt_parent, 0);
	uint64_t start = now_us();
	assert_int_equal(file_lock_until(b, start + 200000), -ETIME);
	assert_true(now_us() - start >= 200000);
	assert_true(shared->arrived > 0);
	pid_t reaped;
	do
		reaped = waitpid(pid, NULL, 0);
	while (reaped < 0 && errno == EINTR);
	assert_int_equal(reaped, pid);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	assert_int_equal(file_lock_until(-1, start), -EBADF);
}

/* --- what stands in the place --- */

static void test_a_directory_that_is_not_ours_is_refused(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(mkdirat(storefd, "other", 0700), 0);
	assert_int_equal(symlinkat("other", storefd, "slots"), 0);
	assert_int_equal(take(1, SECOND_US, &fd), -ENOTDIR);
	assert_int_equal(unlinkat(storefd, "slots", 0), 0);

	assert_int_equal(mknodat(storefd, "slots", S_IFREG | 0700, 0), 0);
	assert_int_equal(take(1, SECOND_US, &fd), -ENOTDIR);
	assert_int_equal(unlinkat(storefd, "slots", 0), 0);

	assert_int_equal(mkfifoat(storefd, "slots", 0700), 0);
	assert_int_equal(take(1, SECOND_US, &fd), -ENOTDIR);
	assert_int_equal(unlinkat(storefd, "slots", 0), 0);

	assert_int_equal(mkdirat(storefd, "slots", 0700), 0);
	static const mode_t modes[] = { 0750, 0701, 0720, 0777 };
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(fchmodat(storefd, "slots", modes[i], 0), 0);
		assert_int_equal(take(1, SECOND_US, &fd), -EPERM);
	}
	assert_int_equal(fchmodat(storefd, "slots", 0700, 0), 0);
	assert_int_equal(take(1, 0, &fd), 0);
	fd_close(&fd);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(storefd, "slots", 1000, -1, 0), 0);
		assert_int_equal(take(1, SECOND_US, &fd), -EPERM);
		assert_int_equal(fchownat(storefd, "slots", 0, -1, 0), 0);
	}

	cleanup_fd int slots = openat(storefd, "slots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(unlinkat(slots, "capture.0", 0), 0);
	assert_int_equal(symlinkat("../escaped", slots, "capture.0"), 0);
	assert_int_equal(take(1, SECOND_US, &fd), -ELOOP);
	assert_int_equal(faccessat(storefd, "escaped", F_OK, 0), -1);
	assert_int_equal(fd, -1);
}

static void test_made_for_root_alone(void **state)
{
	struct stat st;
	int fd = -1;

	(void)state;
	assert_int_equal(take(1, 0, &fd), 0);
	assert_int_equal(fstatat(storefd, "slots", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	fd_close(&fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_slot_once),
		cmocka_unit_test(test_count),
		TEST(test_never_more_than_there_are),
		TEST(test_in_the_order_of_arrival),
		TEST(test_the_killed_hold_nothing),
		TEST(test_no_slot_until_the_deadline),
		TEST(test_no_turn_until_the_deadline),
		TEST(test_other_signals_do_not_end_the_wait),
		TEST(test_a_directory_that_is_not_ours_is_refused),
		TEST(test_made_for_root_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
