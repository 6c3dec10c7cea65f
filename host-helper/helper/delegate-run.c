// SPDX-License-Identifier: MIT
/*
 * Running one agent or delegate: feeds it the core, takes what it says, and ends it in time.
 *
 * Whatever it does (not read, write without end, hang, fork), this returns when its time is over.
 * Its output is the container's bytes: bounded here, escaped where it is written down.
 */
#include "delegate-run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define FEED_BYTES     (256U << 10)
#define ORPHANS_US     200000
#define ENDING_STEP_US 2000000 /* from each step of ending to the next */

struct report {
	uint32_t step;
	int32_t error;
};

/* How far we have gone in ending the child. */
enum ending { ENDING_NOT, ENDING_ASKED, ENDING_TOLD, ENDING_KILLED };

struct feeder {
	const struct delegate_run *run;
	struct delegate_result *result;
	pid_t pid;
	int pidfd, in_fd, out_fd, report_fd;
	bool started_known;
	enum ending ending;
	uint64_t deadline_us;
	uint64_t offset; /* of the core: what was read of the source so far */
	char *buf;
	size_t buf_len, buf_pos;
	size_t output_len;
};

/* In the child: tells the helper what failed.  (Nothing said, and the pipe closed: it was started.)
 */
void delegate_report(int report_fd, enum enter_step step, int error)
{
	struct report report = { .step = step, .error = error };

	(void)!write(report_fd, &report, sizeof(report));
}

/* The child's side of the fork: its own session, and 0 to 2; all other descriptors are CLOEXEC. */
static void become_child(const struct delegate_run *run, pid_t parent, int in_fd, int out_fd,
			 int report_fd)
{
	/* Until it changes its ids it does not outlive the helper; then it has to see to that
	 * itself. (The helper keeps 0 to 2 filled, so none of the pipes is one of them.) */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
	    setsid() >= 0 && dup2(in_fd, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0 &&
	    dup2(out_fd, STDERR_FILENO) >= 0) {
		signal(SIGPIPE, SIG_DFL);
		run->child(run->child_context, report_fd);
	}
	_exit(EX_OSERR);
}

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int start(struct feeder *f)
{
	cleanup_fd int in_read = f->run->stdin_fd > 0 ? f->run->stdin_fd : -1;
	cleanup_fd int out_write = -1;
	cleanup_fd int report_write = -1;
	int r = in_read < 0 ? make_pipe(&in_read, &f->in_fd) : 0;

	if (r == 0)
		r = make_pipe(&f->out_fd, &out_write);
	if (r == 0)
		r = make_pipe(&f->report_fd, &report_write);
	if (r < 0)
		return r;
	if (f->in_fd >= 0) {
		(void)fcntl(f->in_fd, F_SETPIPE_SZ, (int)FEED_BYTES);
		r = fcntl(f->in_fd, F_SETFL, O_NONBLOCK);
	}
	if (r < 0 || fcntl(f->out_fd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(f->report_fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;

	pid_t self = getpid();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* see reap_orphans() */
	f->pid = fork();
	if (f->pid < 0)
		return -errno;
	if (f->pid == 0) {
		/* The kernel's pipe must have no second holder, or the victim is held by it. */
		if (f->run->victim->pipe_fd >= 0)
			close(f->run->victim->pipe_fd);
		become_child(f->run, self, in_read, out_write, report_write);
	}
	f->pidfd = pidfd_open(f->pid, 0);
	return f->pidfd < 0 ? -errno : 0;
}

/* The child, and its process group if it has made that already. */
static void kill_group(struct feeder *f)
{
	(void)kill(-f->pid, SIGKILL);
	(void)kill(f->pid, SIGKILL);
}

static void take_next_step(struct feeder *f)
{
	f->ending++;
	if (f->ending == ENDING_TOLD && !f->run->end_signal)
		f->ending = ENDING_KILLED;
	if (f->ending == ENDING_KILLED)
		kill_group(f);
	else
		(void)kill(f->pid, f->ending == ENDING_TOLD ? f->run->end_signal : SIGTERM);
}

static void feed(struct feeder *f)
{
	if (f->buf_pos == f->buf_len) {
		ssize_t n = f->run->source(f->run->source_context, f->buf, FEED_BYTES, f->offset);

		if (n <= 0) {
			/* The end; or a store that cannot be read, which the digest will tell. */
			fd_close(&f->in_fd);
			return;
		}
		f->offset += (uint64_t)n;
		f->buf_len = (size_t)n;
		f->buf_pos = 0;
	}
	ssize_t n = write(f->in_fd, f->buf + f->buf_pos, f->buf_len - f->buf_pos);

	if (n > 0)
		f->buf_pos += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		fd_close(&f->in_fd); /* EPIPE: it wants no more */
}

static void take_output(struct feeder *f)
{
	char drop[4096] = "";

	for (int i = 0; i < 16; i++) {
		size_t room = DELEGATE_OUTPUT_MAX - f->output_len;
		char *to = room ? f->result->output + f->output_len : drop;
		ssize_t n = read(f->out_fd, to, room ? room : sizeof(drop));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			fd_close(&f->out_fd);
			return;
		}
		if (room)
			f->output_len += (size_t)n;
	}
}

static void take_report(struct feeder *f)
{
	struct report report;
	ssize_t n = read(f->report_fd, &report, sizeof(report));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	f->started_known = true;
	f->result->started = n != sizeof(report); /* closed without a word: by exec */
	if (!f->result->started) {
		f->result->step = (enum enter_step)report.step;
		f->result->error = report.error;
	}
	fd_close(&f->report_fd);
}

/* Acts on deadlines that have passed; returns the ms until the next one, or -1: give up. */
static int check_deadlines(struct feeder *f)
{
	struct victim *victim = f->run->victim;
	uint64_t now = clock_monotonic_us();

	victim_check_hold(victim);
	if (now >= f->deadline_us) {
		if (f->ending == ENDING_KILLED)
			return -1;
		f->result->timed_out = true;
		take_next_step(f);
		f->deadline_us = now + ENDING_STEP_US;
	}
	uint64_t next = f->deadline_us;
	if (victim->pipe_fd >= 0 && victim->hold_until_us < next)
		next = victim->hold_until_us;
	uint64_t left_ms = next > now ? (next - now) / 1000 + 1 : 0;
	return left_ms > 60000 ? 60000 : (int)left_ms;
}

static void loop(struct feeder *f)
{
	for (;;) {
		int timeout = check_deadlines(f);
		struct pollfd fds[4] = {
			{ .fd = f->pidfd, .events = POLLIN },
			{ .fd = f->in_fd, .events = POLLOUT },
			{ .fd = f->out_fd, .events = POLLIN },
			{ .fd = f->report_fd, .events = POLLIN },
		};

		if (timeout < 0)
			return;
		if (poll(fds, 4, timeout) < 0) {
			if (errno == EINTR)
				continue;
			kill_group(f);
			return;
		}
		if (fds[3].revents)
			take_report(f);
		if (fds[2].revents)
			take_output(f);
		if (fds[0].revents)
			return;
		if (fds[1].revents & (POLLERR | POLLHUP))
			fd_close(&f->in_fd);
		else if (fds[1].revents)
			feed(f);
	}
}

/*
 * Of an enterer that was ended before its children, those are ours now; nobody else may take their
 * status for long, and the container sees them until then.  They end with it.
 */
static void reap_orphans(const struct feeder *f)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t deadline_us = clock_monotonic_us() + ORPHANS_US;
	pid_t pid;

	while ((pid = waitpid(-f->pid, NULL, WNOHANG)) >= 0 && clock_monotonic_us() < deadline_us)
		if (pid == 0)
			nanosleep(&pause, NULL);
}

/* Takes the child's status; a child that SIGKILL does not end (it waits within the kernel, on a
   file system of the container's) is left to init. */
static void reap(struct feeder *f)
{
	uint64_t deadline_us = clock_monotonic_us() + ENDING_STEP_US;
	struct pollfd fd = { .fd = f->pidfd, .events = POLLIN };

	if (f->pid <= 0)
		return;
	kill_group(f);
	while (f->pidfd >= 0 && clock_monotonic_us() < deadline_us && poll(&fd, 1, 100) <= 0)
		victim_check_hold(f->run->victim);
	if (waitpid(f->pid, &f->result->status, f->pidfd >= 0 ? WNOHANG : 0) <= 0)
		f->result->not_ended = true;
	reap_orphans(f);
}

/*
 * Forks, runs run->child there, and stays until it has ended or its time is over; the rest of its
 * process group is ended with it.  0 (see *ret_result; free its output), or -errno: nothing was
 * started.
 */
int delegate_run(const struct delegate_run *run, struct delegate_result *ret_result)
{
	uint64_t now = clock_monotonic_us();
	struct feeder f = { .run = run,
			    .result = ret_result,
			    .pid = -1,
			    .pidfd = -1,
			    .in_fd = -1,
			    .out_fd = -1,
			    .report_fd = -1,
			    .deadline_us = now + run->timeout_ms * 1000 };

	*ret_result = (struct delegate_result){ .step = ENTER_STEP_PREPARE };
	ret_result->output = calloc(1, DELEGATE_OUTPUT_MAX + 1);
	f.buf = malloc(FEED_BYTES);
	int r = ret_result->output && f.buf ? 0 : -ENOMEM;

	if (r == 0)
		r = start(&f);
	else if (run->stdin_fd > 0)
		close(run->stdin_fd);
	if (r == 0)
		loop(&f);
	reap(&f);
	if (f.report_fd >= 0 && !f.started_known)
		take_report(&f);
	if (f.out_fd >= 0)
		take_output(&f);
	free(f.buf);
	fd_close(&f.pidfd);
	fd_close(&f.in_fd);
	fd_close(&f.out_fd);
	fd_close(&f.report_fd);
	return r;
}
