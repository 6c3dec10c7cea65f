// SPDX-License-Identifier: MIT
/*
 * The child's side of a delegation.
 *
 * The agent is the host's own program: it is started here, on the host, as root, with an
 * environment of our names only, loads its libraries from the host, and enters and drops by itself
 * (handed over: the plan and its descriptors).  A program of the container is started only after
 * this process has entered and dropped; then it holds nothing of the host's but three pipes.
 */
#include "delegate-child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "delegate-filter.h"
#include "delegate-namespace.h"
#include "delegate-run.h"
#include "fallback-core.h"
#include "fd.h"
#include "parse.h"
#include "restrain.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define PROGRAM_BYTES_MAX (64L << 20)

static _Noreturn void fail(int report_fd, enum enter_step step, int error)
{
	delegate_report(report_fd, step, error);
	_exit(EX_OSERR);
}

/*
 * A sealed copy of a program of the host's: a process in the container that gets hold of
 * /proc/PID/exe can write neither it nor the host's file.  Returns a descriptor, or -errno
 * (-EACCES: vm.memfd_noexec=2 forbids it).  See: memfd_create(2).
 */
static int copy_program(int file)
{
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return -EPERM;
	if (st.st_size > PROGRAM_BYTES_MAX)
		return -EFBIG;

	cleanup_fd int copy =
		memfd_create("coreferry-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL) /* before Linux 6.3 */
		copy = memfd_create("coreferry-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0)
		return -errno;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(copy, file, NULL, (size_t)left);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= n;
	}
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return fd_steal(&copy);
}

static int open_agent(const char *path)
{
	cleanup_fd int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return -EPERM;
	int copy = copy_program(file);
	/* vm.memfd_noexec=2.  Outside the container's pid namespace its /proc does not show us: the
	 * file itself will do.  (Not for a delegate: the container sees its init.) */
	return copy == -EACCES ? fd_steal(&file) : copy;
}

static int keep_over_exec(int fd)
{
	return fd < 0 || fcntl(fd, F_SETFD, 0) == 0 ? 0 : -errno;
}

/* Gives the plan's descriptors over exec, and the plan itself through a pipe: its reading end. */
static int hand_over_plan(const struct enter_plan *plan)
{
	int fds[2];

	for (int i = 0; i < ENTER_NS_COUNT; i++)
		if (keep_over_exec(plan->ns_fd[i]) < 0)
			return -errno;
	if (keep_over_exec(plan->root_fd) < 0 || keep_over_exec(plan->cwd_fd) < 0 || pipe(fds) < 0)
		return -errno;
	int r = fd_write_all(fds[1], plan, sizeof(*plan)); /* a pipe holds 64 KiB */
	close(fds[1]);
	return r < 0 ? r : fds[0];
}

/* The host's last word to what is started: from here on it counts as the victim's. */
static void restrain(const struct enter_plan *plan, bool is_ours, int report_fd)
{
	enum enter_step step = ENTER_STEP_PREPARE;
	int r = restrain_process(plan, is_ours, &step);

	if (r < 0)
		fail(report_fd, step, r);
}

/* Becomes the built-in agent.  See: execveat(2). */
void delegate_child_agent(void *context, int report_fd)
{
	const struct delegate_child *child = context;
	char option[32], name[] = "coreferry-agent";
	char *const argv[] = { name, option, NULL };
	int agent = open_agent(child->agent_path);

	if (agent < 0)
		fail(report_fd, ENTER_STEP_EXEC, agent);
	int plan = hand_over_plan(child->plan);
	if (plan < 0)
		fail(report_fd, ENTER_STEP_PREPARE, plan);
	snprintf(option, sizeof(option), "--enter=%d", plan);
	restrain(child->plan, true, report_fd);
	(void)syscall(SYS_execveat, agent, "", argv, child->environment, AT_EMPTY_PATH);
	fail(report_fd, ENTER_STEP_EXEC, -errno);
}

/* Becomes our own sealed copy, which goes on in delegate_child_main(). */
void delegate_child_program(void *context, int report_fd)
{
	const struct delegate_child *child = context;
	char name[] = "coreferry-helper", option[] = DELEGATE_CHILD_OPTION;
	char plan_text[16], report_text[16];
	size_t count = 0;

	while (child->arguments[count])
		count++;
	char **argv = calloc(count + 5, sizeof(char *));
	if (!argv)
		fail(report_fd, ENTER_STEP_PREPARE, -ENOMEM);
	cleanup_fd int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int self = file < 0 ? -errno : copy_program(file);
	int plan = hand_over_plan(child->plan);

	if (self < 0 || plan < 0 || keep_over_exec(report_fd) < 0)
		fail(report_fd, ENTER_STEP_PREPARE, self < 0 ? self : plan < 0 ? plan : -EBADF);
	snprintf(plan_text, sizeof(plan_text), "%d", plan);
	snprintf(report_text, sizeof(report_text), "%d", report_fd);
	argv[0] = name;
	argv[1] = option;
	argv[2] = plan_text;
	argv[3] = report_text;
	memcpy(argv + 4, child->arguments, count * sizeof(char *));
	restrain(child->plan, false, report_fd);
	(void)syscall(SYS_execveat, self, "", argv, child->environment, AT_EMPTY_PATH);
	fail(report_fd, ENTER_STEP_PREPARE, -errno);
}

/* Enters and drops; afterwards 0 to 2 and the report pipe, which ends at exec, are all there is. */
static void enter(const struct enter_plan *plan, bool pid_namespace, int report_fd)
{
	enum enter_step step = ENTER_STEP_PREPARE;
	int r = enter_prepare(plan);

	if (r == 0)
		r = enter_apply(plan, pid_namespace, &step);
	if (r < 0)
		fail(report_fd, step, r);
	if (report_fd > 3)
		(void)close_range(3, (unsigned)report_fd - 1, 0);
	(void)close_range((unsigned)report_fd + 1, ~0U, 0);
}

/* What the signals' handlers need. */
static volatile pid_t program_pid, init_pid;

static void ask_program(int sig)
{
	if (program_pid > 0)
		(void)kill(-program_pid, sig);
}

static void end_namespace(int sig)
{
	(void)sig;
	if (init_pid > 0)
		(void)kill(init_pid, SIGKILL);
}

/* SIGTERM is for the program and its process group, DELEGATE_CHILD_END_SIGNAL for all that there
 * is. */
static int handle_signals(void)
{
	const struct sigaction ask = { .sa_handler = ask_program };
	const struct sigaction end = { .sa_handler = end_namespace };

	return sigaction(SIGTERM, &ask, NULL) < 0 ||
			       sigaction(DELEGATE_CHILD_END_SIGNAL, &end, NULL) < 0
		       ? -errno
		       : 0;
}

/* Does not outlive the helper: behind the change of ids, which undoes it. */
static int end_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static pid_t wait_for_child(int *status)
{
	pid_t pid;

	do {
		pid = waitpid(-1, status, 0);
	} while (pid < 0 && errno == EINTR);
	if (pid == init_pid)
		init_pid = 0; /* from now on this may be anybody */
	return pid;
}

/*
 * Waits for the program, ends what it left behind, and then ends as it did, so that the record
 * tells of it.  The init has ended when all in its namespace has.
 */
static _Noreturn void end_like_program(void)
{
	int status = 0, other;
	pid_t pid;

	while ((pid = wait_for_child(&status)) > 0 && pid != program_pid)
		;
	/* A label of the victim's may forbid us that: then the helper does it, who finds the init
	 * in our group. */
	if (init_pid > 0 && kill(init_pid, SIGKILL) == 0)
		while (wait_for_child(&other) > 0)
			;
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR);
}

/* Makes the namespace that the program is to be born in, and puts it into the plan. */
static void take_own_namespace(struct enter_plan *plan, int report_fd)
{
	enum enter_step step;
	pid_t init;
	int fd = -1;
	int r = delegate_namespace_make(plan, &init, &fd, &step);

	if (r < 0)
		fail(report_fd, step, r);
	init_pid = init;
	fd_close(&plan->ns_fd[ENTER_NS_PID]);
	plan->ns_fd[ENTER_NS_PID] = fd;
}

/*
 * In the sealed copy ("coreferry-helper --delegate PLAN-FD REPORT-FD PROGRAM [ARGUMENT...]"):
 * makes a pid namespace below the victim's, enters, and starts the container's program as a child,
 * so that it is born in there.  Returns an exit status only for wrong arguments.
 */
int delegate_child_main(int argc, char *argv[])
{
	struct enter_plan plan;
	uint64_t plan_fd, report_fd;
	pid_t parent = getppid();

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc < 5 || parse_u64(argv[2], INT_MAX, &plan_fd) < 0 ||
	    parse_u64(argv[3], INT_MAX, &report_fd) < 0 ||
	    fd_read_fill((int)plan_fd, &plan, sizeof(plan)) != sizeof(plan) ||
	    fcntl((int)report_fd, F_SETFD, FD_CLOEXEC) < 0)
		return EX_USAGE;
	take_own_namespace(&plan, (int)report_fd);
	enter(&plan, true, (int)report_fd);
	int r = end_with_parent(parent);
	if (r == 0)
		r = handle_signals();
	pid_t pid = r < 0 ? -1 : fork();
	if (pid < 0)
		fail((int)report_fd, ENTER_STEP_FORK, r < 0 ? r : -errno);
	if (pid == 0) {
		/* A group of its own: what it sends to that is not for us. */
		(void)setpgid(0, 0);
		r = delegate_filter_apply(&plan);
		if (r < 0)
			fail((int)report_fd, ENTER_STEP_FILTER, r);
		execve(argv[4], argv + 4, environ);
		fail((int)report_fd, ENTER_STEP_EXEC, -errno);
	}
	(void)setpgid(pid, pid);
	program_pid = pid;
	/* What stays must not keep the pipes open. */
	(void)close_range(0, ~0U, 0);
	end_like_program();
}

/* Becomes the writer of the fallback core. */
void delegate_child_fallback(void *context, int report_fd)
{
	const struct delegate_child *child = context;

	restrain(child->plan, true, report_fd);
	enter(child->plan, false, report_fd);
	close(report_fd);
	int r = fallback_core_write(STDIN_FILENO, child->fallback_path);
	if (r < 0)
		dprintf(STDERR_FILENO, "%s", strerror(-r));
	_exit(r < 0 ? EX_CANTCREAT : EX_OK);
}
