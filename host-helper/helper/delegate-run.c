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
#define ENDING_STEP_US 2000000	   /* from each step of ending to the next */
#define SAID_BYTES_MAX (64U << 10) /* that are listened to in a second */
#define SAID_US	       1000000
/* With the init of its pid namespace a container ends, and its network soon after. */
#define HOLD_GRACE_US 1000000

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
	int pidfd, in_fd, out_fd, said_fd, report_fd;
	bool started_known;
	enum ending ending;
	uint64_t deadline_us;
	uint64_t offset; /* of the core: what was read of the source so far */
	char *buf;
	size_t buf_len, buf_pos;
	size_t output_len;
	size_t said_bytes; /* since: */
	uint64_t said_since_us;
};

struct pipes {
	int in, out, said, report; /* the child's ends */
};

/* In the child: tells the helper what failed.  (Nothing said, and the pipe closed: it was started.)
 */
void delegate_report(int report_fd, enum enter_step step, int error)
{
	struct report report = { .step = step, .error = error };

	(void)!write(report_fd, &report, sizeof(report));
}

/* The child's side of the fork: its own session, and 0 to 2; all other descriptors are CLOEXEC. */
static void become_child(const struct delegate_run *run, pid_t parent, const struct pipes *p)
{
	int stdout_fd = p->said >= 0 ? p->said : p->out;

	/* Until it changes its ids it does not outlive the helper; then it has to see to that
	 * itself. (The helper keeps 0 to 2 filled, so none of the pipes is one of them.) */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
	    setsid() >= 0 && dup2(p->in, STDIN_FILENO) >= 0 &&
	    dup2(stdout_fd, STDOUT_FILENO) >= 0 && dup2(p->out, STDERR_FILENO) >= 0) {
		signal(SIGPIPE, SIG_DFL);
		run->child(run->child_context, p->report);
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

static int make_pipes(struct feeder *f, struct pipes *p)
{
	int r = p->in < 0 ? make_pipe(&p->in, &f->in_fd) : 0;

	if (r == 0)
		r = make_pipe(&f->out_fd, &p->out);
	if (r == 0 && f->run->said)
		r = make_pipe(&f->said_fd, &p->said);
	if (r == 0)
		r = make_pipe(&f->report_fd, &p->report);
	if (r == 0 && f->in_fd >= 0) {
		(void)fcntl(f->in_fd, F_SETPIPE_SZ, (int)FEED_BYTES);
		r = fcntl(f->in_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	}
	if (r == 0 && (fcntl(f->out_fd, F_SETFL, O_NONBLOCK) < 0 ||
		       (f->said_fd >= 0 && fcntl(f->said_fd, F_SETFL, O_NONBLOCK) < 0) ||
		       fcntl(f->report_fd, F_SETFL, O_NONBLOCK) < 0))
		r = -errno;
	return r;
}

static int start_child(struct feeder *f, const struct pipes *p)
{
	pid_t self = getpid();

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* see reap_orphans() */
	f->pid = fork();
	if (f->pid < 0)
		return -errno;
	if (f->pid == 0) {
		/* The kernel's pipe must have no second holder, or the victim is held by it. */
		if (f->run->victim->pipe_fd >= 0)
			close(f->run->victim->pipe_fd);
		become_child(f->run, self, p);
	}
	f->pidfd = pidfd_open(f->pid, 0);
	return f->pidfd < 0 ? -errno : 0;
}

static int start(struct feeder *f)
{
	struct pipes p = { .in = f->run->stdin_fd > 0 ? f->run->stdin_fd : -1,
			   .out = -1,
			   .said = -1,
			   .report = -1 };
	int r = make_pipes(f, &p);

	if (r == 0)
		r = start_child(f, &p);
	fd_close(&p.in);
	fd_close(&p.out);
	fd_close(&p.said);
	fd_close(&p.report);
	return r;
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

/* No more in a second than belongs there: the rest stays in its pipe, and the child waits. */
static bool may_speak(struct feeder *f)
{
	uint64_t now = clock_monotonic_us();

	if (now - f->said_since_us >= SAID_US) {
		f->said_since_us = now;
		f->said_bytes = 0;
	}
	return f->said_bytes < SAID_BYTES_MAX;
}

static void take_said(struct feeder *f)
{
	char bytes[4096];

	while (may_speak(f)) {
		ssize_t n = read(f->said_fd, bytes, sizeof(bytes));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			fd_close(&f->said_fd);
			return;
		}
		f->said_bytes += (size_t)n;
		f->run->said(f->run->said_context, bytes, (size_t)n);
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

/* Lets the victim go when its time is over; what pushes for it has little time left then, if its
 * container ends with it. */
static void check_hold(struct feeder *f, uint64_t now)
{
	struct victim *victim = f->run->victim;
	bool was_held = victim->pipe_fd >= 0;

	victim_check_hold(victim);
	if (was_held && victim->pipe_fd < 0 && victim->is_init &&
	    victim->plan.ns_fd[ENTER_NS_PID] >= 0 && f->deadline_us > now + HOLD_GRACE_US) {
		f->deadline_us = now + HOLD_GRACE_US;
		f->result->hold_is_over = true;
	}
}

/* Acts on deadlines that have passed; returns the ms until the next one, or -1: give up. */
static int check_deadlines(struct feeder *f)
{
	struct victim *victim = f->run->victim;
	uint64_t now = clock_monotonic_us();

	check_hold(f, now);
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
	uint64_t most_ms = may_speak(f) ? 60000 : SAID_US / 1000;
	return left_ms > most_ms ? (int)most_ms : (int)left_ms;
}

static void loop(struct feeder *f)
{
	for (;;) {
		int timeout = check_deadlines(f);
		struct pollfd fds[5] = {
			{ .fd = f->pidfd, .events = POLLIN },
			{ .fd = f->in_fd, .events = POLLOUT },
			{ .fd = f->out_fd, .events = POLLIN },
			{ .fd = f->report_fd, .events = POLLIN },
			{ .fd = may_speak(f) ? f->said_fd : -1, .events = POLLIN },
		};

		if (timeout < 0)
			return;
		if (poll(fds, 5, timeout) < 0) {
			if (errno == EINTR)
				continue;
			kill_group(f);
			return;
		}
		if (fds[3].revents)
			take_report(f);
		if (fds[2].revents)
			take_output(f);
		if (fds[4].revents)
			take_said(f);
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
			    .said_fd = -1,
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
	f.said_bytes = 0; /* the last words are heard in any case */
	if (f.said_fd >= 0)
		take_said(&f);
	free(f.buf);
	fd_close(&f.pidfd);
	fd_close(&f.in_fd);
	fd_close(&f.out_fd);
	fd_close(&f.said_fd);
	fd_close(&f.report_fd);
	return r;
}
