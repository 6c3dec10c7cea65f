// SPDX-License-Identifier: MIT
/* host-helper/helper/delegate-namespace.c: a pid namespace below another one, and its init, which
 * can do nothing else, and with which all in there ends. */
#include "../../host-helper/helper/delegate-namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

#define SOMEBODY 65533

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static struct enter_plan own_plan(void)
{
	cleanup_fd int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct enter_plan plan;
	const char *what;

	enter_plan_init(&plan);
	assert_int_equal(enter_plan_pin(&plan, proc, &what), 0);
	plan.uid = plan.gid = SOMEBODY;
	return plan;
}

/* Makes one; its init is in *init, the namespace in *fd. */
static void make(pid_t *init, int *fd)
{
	struct enter_plan plan = own_plan();
	enum enter_step step = 0;

	assert_int_equal(delegate_namespace_make(&plan, init, fd, &step), 0);
	enter_plan_close(&plan);
}

static void read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, size - 1);
	assert_true(n > 0);
	buf[n] = '\0';
}

/* All of our children, until `pid` has ended: its status. */
static int wait_for(pid_t pid)
{
	int status = -1;
	pid_t ended;

	while ((ended = waitpid(-1, &status, 0)) != pid)
		assert_true(ended > 0);
	return status;
}

static int count_descriptors(pid_t pid)
{
	char path[64];
	int count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		count += lstat(path, &st) == 0;
	}
	return count;
}

static void test_init_has_nothing(void **state)
{
	char status[8192];
	pid_t init;
	int fd;

	(void)state;
	need_root();
	make(&init, &fd);
	/* It closes the socket after its word. */
	for (int i = 0; i < 1000 && count_descriptors(init) > 0; i++)
		usleep(1000);
	assert_int_equal(count_descriptors(init), 0);
	read_proc(init, "status", status, sizeof(status));
	assert_non_null(strstr(status, "\nUid:\t65533\t65533\t65533\t65533\n"));
	assert_non_null(strstr(status, "\nGroups:\t \n"));
	assert_non_null(strstr(status, "\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
				       "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n"));
	assert_non_null(strstr(status, "\nNoNewPrivs:\t1\nSeccomp:\t2\n"));
	const char *pids = strstr(status, "\nNSpid:");
	assert_non_null(pids);
	assert_memory_equal(strchr(pids + 1, '\n') - 2, "\t1", 2);
	close(fd);
	kill(init, SIGKILL);
	assert_true(WIFSIGNALED(wait_for(init)));
}

/* In the namespace: a daemon, of which nobody knows but that it has the pipe. */
static _Noreturn void be_program(int pipe_fd)
{
	signal(SIGTERM, SIG_IGN);
	if (fork() == 0) {
		setsid();
		if (fork() == 0)
			for (;;)
				pause();
		_exit(0);
	}
	wait(NULL);
	kill(1, SIGKILL); /* not for us to end */
	(void)!write(pipe_fd, getpid() < 10 ? "k" : "?", 1);
	for (;;)
		pause();
}

static void test_all_end_with_it(void **state)
{
	int fds[2], fd, status;
	pid_t init;
	char byte = 0;

	(void)state;
	need_root();
	make(&init, &fd);
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		/* Not the test itself, whose later children would be born there. */
		if (setns(fd, CLONE_NEWPID) < 0)
			_exit(1);
		if (fork() == 0)
			be_program(fds[1]);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(byte, 'k');
	kill(init, SIGKILL);
	(void)wait_for(init);
	/* The daemon has ended: nobody has the pipe. */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	close(fd);
}

static void test_ends_with_its_maker(void **state)
{
	int fds[2];
	pid_t init = 0;

	(void)state;
	need_root();
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	pid_t child = fork();
	if (child == 0) {
		pid_t made;
		int fd;

		make(&made, &fd);
		(void)!write(fds[1], &made, sizeof(made));
		for (;;)
			pause();
	}
	assert_int_equal(read(fds[0], &init, sizeof(init)), sizeof(init));
	kill(child, SIGKILL);
	assert_true(WIFSIGNALED(wait_for(init)));
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
	close(fds[0]);
	close(fds[1]);
}

/* A user namespace whose root allows no pid namespaces. */
static int make_user_namespace(void)
{
	int ready[2], done[2];
	char byte = 0, path[64];

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int r = unshare(CLONE_NEWUSER);
		cleanup_fd int fd = open("/proc/sys/user/max_pid_namespaces", O_WRONLY);

		byte = r == 0 && write(fd, "0", 1) == 1;
		(void)!write(ready[1], &byte, 1);
		close(done[1]);
		(void)!read(done[0], &byte, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(done[0]);
	close(done[1]);
	close(ready[0]);
	close(ready[1]);
	(void)waitpid(pid, NULL, 0);
	return fd;
}

static void test_refused(void **state)
{
	struct enter_plan plan = own_plan();
	enum enter_step step = 0;
	pid_t init;
	int fd;

	(void)state;
	need_root();
	plan.ns_fd[ENTER_NS_USER] = make_user_namespace();
	assert_int_equal(delegate_namespace_make(&plan, &init, &fd, &step), -ENOSPC);
	assert_int_equal(step, ENTER_STEP_OWN_PIDS);
	enter_plan_close(&plan);

	plan = own_plan();
	plan.group_count = ENTER_GROUPS_MAX + 1;
	assert_int_equal(delegate_namespace_make(&plan, &init, &fd, &step), -EINVAL);
	assert_int_equal(step, ENTER_STEP_PREPARE);
	enter_plan_close(&plan);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

#ifdef __x86_64__
/* Whoever takes it over, as a container with CAP_SYS_PTRACE may, has nothing of it. */
static void test_taken_over(void **state)
{
	static const long calls[] = { SYS_getuid, SYS_openat, SYS_execve, SYS_unshare,
				      SYS_setns,  SYS_kill,   SYS_mount,  SYS_setpgid };

	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct user_regs_struct regs;
		pid_t init;
		int fd, status = 0;

		make(&init, &fd);
		assert_int_equal(ptrace(PTRACE_SEIZE, init, 0, 0), 0);
		assert_int_equal(ptrace(PTRACE_INTERRUPT, init, 0, 0), 0);
		status = wait_for(init);
		assert_true(WIFSTOPPED(status));
		assert_int_equal(ptrace(PTRACE_GETREGS, init, 0, &regs), 0);
		regs.rip -= 2; /* the system call in which it waits */
		regs.rax = (unsigned long long)calls[i];
		regs.orig_rax = ~0ULL;
		assert_int_equal(ptrace(PTRACE_SETREGS, init, 0, &regs), 0);
		assert_int_equal(ptrace(PTRACE_CONT, init, 0, 0), 0);
		status = wait_for(init);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
		close(fd);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_has_nothing),    cmocka_unit_test(test_all_end_with_it),
		cmocka_unit_test(test_ends_with_its_maker), cmocka_unit_test(test_refused),
#ifdef __x86_64__
		cmocka_unit_test(test_taken_over),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
