// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/delegate-child.c: from fork to exec, into a process that stands still in
 * namespaces of its own.  With the sanitizers it shows that the whole way is clean.
 */
#include "../../host-helper/helper/delegate-child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../host-helper/helper/delegate-run.h"
#include "../../host-helper/helper/victim-plan.h"
#include "fd.h"
#include "test.h"

static struct victim victim;
static pid_t stand_in;

/* What is looked at as if it had crashed. */
static int make_victim(void **state)
{
	struct arguments arguments = { 0 };
	struct rlimit own;
	int fds[2];
	char byte;

	(void)state;
	if (geteuid() != 0 || pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	stand_in = fork();
	if (stand_in == 0) {
		struct rlimit locked = { 16384, 32768 };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC) < 0 ||
		    setrlimit(RLIMIT_MEMLOCK, &locked) < 0 ||
		    setpriority(PRIO_PROCESS, 0, 15) < 0 || chdir("/tmp") < 0 ||
		    setgroups(0, NULL) < 0 || setresgid(1234, 1234, 1234) < 0 ||
		    setresuid(1234, 1234, 1234) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 1)
		return -1;
	close(fds[0]);
	arguments.pid = (uint32_t)stand_in;
	victim_init(&victim, -1);
	if (victim_open(&victim, &arguments) < 0)
		return -1;
	victim_snapshot(&victim, &arguments, false);
	victim_plan_make(&victim);
	/* valgrind has limits of its own for descriptors. */
	if (getrlimit(RLIMIT_NOFILE, &own) < 0)
		return -1;
	victim.plan.limits[RLIMIT_NOFILE] = (struct enter_limit){ own.rlim_cur, own.rlim_max };
	return victim.has_plan ? 0 : -1;
}

static int end_victim(void **state)
{
	(void)state;
	if (stand_in > 0) {
		victim_close(&victim);
		kill(stand_in, SIGKILL);
		(void)waitpid(stand_in, NULL, 0);
	}
	return 0;
}

static ssize_t read_text(void *context, void *buf, size_t len, uint64_t offset)
{
	const char *text = context;
	size_t have = strlen(text) - offset;

	if (have > len)
		have = len;
	memcpy(buf, text + offset, have);
	return (ssize_t)have;
}

static struct delegate_result run(delegate_child_fn function, struct delegate_child *child)
{
	char core[] = "the core\n";
	struct delegate_result result;
	struct delegate_run delegate = { .child = function,
					 .child_context = child,
					 .source = read_text,
					 .source_context = core,
					 .timeout_ms = 20000,
					 .victim = &victim };

	assert_int_equal(delegate_run(&delegate, &result), 0);
	return result;
}

static struct delegate_result run_shell(const struct enter_plan *plan, const char *script)
{
	char sh[] = "/bin/sh", option[] = "-c", variable[] = "CORE_ID=x";
	char *arguments[] = { sh, option, strdup(script), NULL };
	char *environment[] = { variable, NULL };
	struct delegate_child child = { .plan = plan,
					.arguments = arguments,
					.environment = environment };
	struct delegate_result result = run(delegate_child_program, &child);

	free(arguments[2]);
	return result;
}

static void need_root(void)
{
	if (stand_in <= 0)
		skip(); /* only root can enter and drop */
}

static void test_program(void **state)
{
	(void)state;
	need_root();
	struct delegate_result r =
		run_shell(&victim.plan,
			  "cat; id -u; id -g; id -G; ulimit -l; ulimit -Hl; pwd; echo $CORE_ID; "
			  "umask; grep -E 'NoNewPrivs|CapEff' /proc/self/status; exit 3");
	assert_true(r.started);
	assert_true(WIFEXITED(r.status));
	assert_int_equal(WEXITSTATUS(r.status), 3);
	assert_string_equal(r.output, "the core\n1234\n1234\n1234\n16\n32\n/tmp\nx\n0077\n"
				      "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
	free(r.output);
}

static void test_filter(void **state)
{
	struct enter_plan plan = victim.plan;

	(void)state;
	need_root();
	plan.seccomp_mode = SECCOMP_MODE_FILTER;
	struct delegate_result r = run_shell(&plan, "grep -w Seccomp: /proc/self/status");
	assert_true(r.started);
	assert_string_equal(r.output, "Seccomp:\t2\n");
	free(r.output);
}

/* Each failure is final, and known by its step. */
static void test_failures(void **state)
{
	char missing[] = "/no/such/program";
	char *arguments[] = { missing, NULL }, *environment[] = { NULL };
	struct enter_plan plan = victim.plan;
	struct delegate_child child = { .plan = &plan,
					.arguments = arguments,
					.environment = environment };

	(void)state;
	need_root();
	struct delegate_result r = run(delegate_child_program, &child);
	assert_false(r.started);
	assert_int_equal(r.step, ENTER_STEP_EXEC);
	assert_int_equal(r.error, -ENOENT);
	free(r.output);

	plan.ns_fd[ENTER_NS_UTS] = plan.root_fd; /* no namespace */
	r = run(delegate_child_program, &child);
	assert_false(r.started);
	assert_int_equal(r.step, ENTER_STEP_NAMESPACE + ENTER_NS_UTS);
	free(r.output);

	plan = victim.plan;
	plan.cgroup_count = 1;
	plan.cgroup_fd[0] = plan.root_fd; /* no cgroup */
	r = run(delegate_child_program, &child);
	assert_false(r.started);
	assert_int_equal(r.step, ENTER_STEP_CGROUP);
	assert_int_equal(r.error, -EBADF);
	free(r.output);

	plan = victim.plan;
	plan.limits[RLIMIT_STACK] = (struct enter_limit){ 2, 1 };
	r = run(delegate_child_program, &child);
	assert_false(r.started);
	assert_int_equal(r.step, ENTER_STEP_LIMITS);
	free(r.output);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_failures),
	};

	/* The sealed copy of us that delegate_child_program() starts. */
	if (argc > 1 && strcmp(argv[1], DELEGATE_CHILD_OPTION) == 0)
		return delegate_child_main(argc, argv);
	return cmocka_run_group_tests(tests, make_victim, end_victim);
}
