// SPDX-License-Identifier: MIT
/* host-helper/helper/delegate-filter.c: what a filtered delegate can still do, in both word sizes.
 */
#include "../../host-helper/helper/delegate-filter.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Each runs behind the filter; 0: as it should be, else which one was not. */
typedef int (*probe_fn)(void);

static int run_probe(const struct enter_plan *plan, probe_fn probe)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || delegate_filter_apply(plan) < 0)
			_exit(99);
		_exit(probe());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool gives(long result, int error)
{
	return result == -1 && errno == error;
}

static void *answer(void *context)
{
	return context;
}

static int ordinary(void)
{
	pthread_t thread;
	void *result = NULL;
	int status, number = 4711;

	if (pthread_create(&thread, NULL, answer, &number) != 0 ||
	    pthread_join(thread, &result) != 0 || result != &number)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 7", NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
		return 2;
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 || personality(0xffffffff) < 0 ||
	    personality(PER_LINUX) < 0)
		return 3;
	/* Code may be made at run time: it is the container's own program. */
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? 4
		       : 0;
}

static int refused(void)
{
	if (!gives(syscall(SYS_unshare, CLONE_NEWUSER), EPERM))
		return 1;
	if (!gives(syscall(SYS_mount, 0, 0, 0, 0, 0), EPERM) ||
	    !gives(syscall(SYS_keyctl, -1, 0, 0, 0, 0), EPERM) ||
	    !gives(syscall(SYS_bpf, -1, 0, 0), EPERM) ||
	    !gives(syscall(SYS_io_uring_setup, 0, 0), EPERM) ||
	    !gives(syscall(SYS_open_by_handle_at, -1, 0, 0), EPERM))
		return 2;
	if (!gives(syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, 0, 0, 0, 0), EPERM) ||
	    !gives(syscall(SYS_clone3, 0, 0), ENOSYS))
		return 3;
	if (!gives(personality(ADDR_NO_RANDOMIZE), EPERM) ||
	    !gives(personality(READ_IMPLIES_EXEC), EPERM))
		return 4;
	if (!gives(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM) ||
	    !gives(socket(AF_ALG, SOCK_SEQPACKET, 0), EPERM))
		return 5;
	/* Calls that nobody had heard of when the list was written; and x32. */
	for (long number = 457; number < 600; number++)
		if (!gives(syscall(number, -1, -1, -1, -1, -1, -1), ENOSYS))
			return 6;
	return gives(syscall(0x40000000L | SYS_getpid), ENOSYS) ? 0 : 7;
}

#ifdef __x86_64__
/* A call by i386's numbers, which every 64-bit program can make. */
static long call32(long number, long a, long b)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(0), "S"(0), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static int refused_in_32_bits(void)
{
	if (call32(20, 0, 0) != getpid()) /* or it is not there at all, and proves nothing */
		return call32(20, 0, 0) == -ENOSYS ? 77 : 1;
	if (call32(310, CLONE_NEWUSER, 0) != -EPERM) /* unshare */
		return 2;
	if (call32(120, CLONE_NEWUSER | CLONE_THREAD, 0) != -EPERM || /* clone */
	    call32(435, 0, 0) != -ENOSYS)			      /* clone3 */
		return 3;
	if (call32(346, -1, 0) != -EPERM || call32(21, 0, 0) != -EPERM) /* setns, mount */
		return 4;
	if (call32(136, ADDR_NO_RANDOMIZE, 0) != -EPERM || call32(136, -1, 0) < 0)
		return 5;
	return call32(359, AF_VSOCK, SOCK_STREAM) == -EPERM ? 0 : 6; /* socket */
}
#endif

static int allowed_to_admin(void)
{
	if (gives(syscall(SYS_mount, 0, 0, 0, 0, 0), EPERM) && geteuid() == 0)
		return 1;
	if (!gives(syscall(SYS_setns, -1, -1), EBADF) || !gives(syscall(SYS_clone3, 0, 0), EINVAL))
		return 2;
	if (!gives(syscall(SYS_umount2, "", 1), EPERM))
		return 3;
	if (!gives(syscall(SYS_keyctl, -1, 0, 0, 0, 0), EPERM) ||
	    !gives(syscall(SYS_kcmp, -1, -1, -1, 0, 0), EPERM))
		return 4;
	return 0;
}

static int no_filter(void)
{
	return gives(syscall(SYS_keyctl, -1, 0, 0, 0, 0), EPERM) ||
			       prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0
		       ? 1
		       : 0;
}

static void test_without_capabilities(void **state)
{
	struct enter_plan plan;

	(void)state;
	enter_plan_init(&plan);
	plan.seccomp_mode = SECCOMP_MODE_FILTER;
	plan.caps[ENTER_CAP_BOUNDING] = UINT64_MAX; /* the container's, not the victim's */
	plan.caps[ENTER_CAP_EFFECTIVE] = 0;
	assert_int_equal(run_probe(&plan, ordinary), 0);
	assert_int_equal(run_probe(&plan, refused), 0);
}

static void test_32_bits(void **state)
{
	struct enter_plan plan;

	(void)state;
#ifdef __x86_64__
	enter_plan_init(&plan);
	plan.seccomp_mode = SECCOMP_MODE_FILTER;
	int r = run_probe(&plan, refused_in_32_bits);
	if (r == 77)
		skip(); /* a kernel without them has nothing to refuse */
	assert_int_equal(r, 0);
#else
	(void)plan;
	skip();
#endif
}

static void test_with_capabilities(void **state)
{
	struct enter_plan plan;

	(void)state;
	enter_plan_init(&plan);
	plan.seccomp_mode = SECCOMP_MODE_FILTER;
	plan.caps[ENTER_CAP_PERMITTED] = UINT64_C(1) << CAP_SYS_ADMIN;
	assert_int_equal(run_probe(&plan, ordinary), 0);
	assert_int_equal(run_probe(&plan, allowed_to_admin), 0);
}

/* A victim without a filter: its delegate has none either. */
static void test_none(void **state)
{
	struct enter_plan plan;

	(void)state;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
		skip(); /* we run under one ourselves */
	enter_plan_init(&plan);
	assert_int_equal(run_probe(&plan, no_filter), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_capabilities),
		cmocka_unit_test(test_32_bits),
		cmocka_unit_test(test_with_capabilities),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
