// SPDX-License-Identifier: MIT
/* common/restrain.c: a child stands back behind the victim, whatever its parent was. */
#include "restrain.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

typedef int (*check_fn)(const struct enter_plan *plan);

/* Restrains a child by the plan, and looks at it there: 0, the check's answer, or 50 + the step. */
static int restrained_as(const struct enter_plan *plan, bool is_ours, check_fn check)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		enum enter_step step = ENTER_STEP_PREPARE;
		sigset_t mask;

		signal(SIGPIPE, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		sigfillset(&mask);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		umask(0);
		if (restrain_process(plan, is_ours, &step) < 0)
			_exit(50 + (int)step);
		_exit(check(plan));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int restrained(const struct enter_plan *plan, check_fn check)
{
	return restrained_as(plan, false, check);
}

static int check_signals(void)
{
	sigset_t mask;

	if (sigprocmask(SIG_BLOCK, NULL, &mask) < 0 || !sigisemptyset(&mask))
		return 1;
	for (int i = 1; i < NSIG; i++) {
		struct sigaction action;

		if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			return 2;
	}
	return umask(0) == 077 ? 0 : 3;
}

static int check_priority(const struct enter_plan *plan)
{
	cleanup_free char *text = NULL;
	size_t len;
	long ioprio = syscall(SYS_ioprio_get, 1, 0);

	if (getpriority(PRIO_PROCESS, 0) != (plan->nice > 10 ? plan->nice : 10))
		return 10;
	if (ioprio != (((plan->ioprio >> 13) == 3 ? 3 : 2) << 13 | 7))
		return 11;
	if (sched_getscheduler(0) != (plan->scheduler == SCHED_IDLE ? SCHED_IDLE : SCHED_OTHER))
		return 12;
	if (file_read_at(AT_FDCWD, "/proc/self/oom_score_adj", 16, &text, &len) < 0 ||
	    atoi(text) != 1000)
		return 13;
	return check_signals();
}

static int check_one_cpu(const struct enter_plan *plan)
{
	cpu_set_t cpus;

	(void)plan;
	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1 ? 0 : 1;
}

static void test_priorities(void **state)
{
	static const struct {
		int nice, scheduler, ioprio;
	} rows[] = {
		{ 0, SCHED_OTHER, 0 },
		{ -20, SCHED_FIFO, 1 << 13 },
		{ 15, SCHED_BATCH, 2 << 13 },
		{ 19, SCHED_IDLE, 3 << 13 },
	};
	struct enter_plan plan;

	(void)state;
	enter_plan_init(&plan);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		plan.nice = rows[i].nice;
		plan.scheduler = rows[i].scheduler;
		plan.ioprio = rows[i].ioprio;
		assert_int_equal(restrained(&plan, check_priority), 0);
	}
}

static void test_cpus(void **state)
{
	struct enter_plan plan;
	cpu_set_t own;
	int first = 0;

	(void)state;
	enter_plan_init(&plan);
	assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
	while (!CPU_ISSET(first, &own))
		first++;
	plan.cpus[first / 64] = UINT64_C(1) << first % 64;
	assert_int_equal(restrained(&plan, check_one_cpu), 0);
	/* None that there is: what we have stays. */
	plan.cpus[first / 64] = 0;
	plan.cpus[ENTER_CPU_WORDS - 1] = UINT64_C(1) << 63;
	assert_int_equal(restrained(&plan, check_priority), 0);
}

static int nothing(const struct enter_plan *plan)
{
	(void)plan;
	return 0;
}

/* "0" is written to each; one that cannot be joined ends it. */
static void test_cgroups(void **state)
{
	struct enter_plan plan;
	char text[4];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	enter_plan_init(&plan);
	plan.cgroup_count = 2;
	plan.cgroup_fd[0] = plan.cgroup_fd[1] = fds[1];
	assert_int_equal(restrained(&plan, nothing), 0);
	assert_int_equal(read(fds[0], text, sizeof(text)), 2);
	assert_memory_equal(text, "00", 2);
	plan.cgroup_fd[1] = fds[0];
	plan.cgroup_may_be_gone = true; /* that is another error */
	assert_int_equal(restrained(&plan, nothing), 50 + ENTER_STEP_CGROUP);
	close(fds[0]);
	close(fds[1]);
}

/* One that was removed meanwhile: the end for a container's program, but not for
 * the agent, or a process of the host. */
static void test_gone(void **state)
{
	static const char path[] = "/sys/fs/cgroup/unified/cf-test-restrain";
	static const char members[] = "/sys/fs/cgroup/unified/cf-test-restrain/cgroup.procs";
	const char *at = path, *file = members;
	struct enter_plan plan;

	(void)state;
	enter_plan_init(&plan);
	if (mkdir(at, 0700) < 0) {
		at = "/sys/fs/cgroup/cf-test-restrain";
		file = "/sys/fs/cgroup/cf-test-restrain/cgroup.procs";
		if (mkdir(at, 0700) < 0)
			skip(); /* not root, or cgroups that we may not change */
	}
	plan.cgroup_count = 1;
	plan.cgroup_fd[0] = open(file, O_WRONLY | O_CLOEXEC);
	assert_int_equal(rmdir(at), 0);
	assert_true(plan.cgroup_fd[0] >= 0);
	assert_int_equal(restrained(&plan, nothing), 50 + ENTER_STEP_CGROUP);
	assert_int_equal(restrained_as(&plan, true, nothing), 0);
	plan.cgroup_may_be_gone = true;
	assert_int_equal(restrained(&plan, nothing), 0);
	enter_plan_close(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
