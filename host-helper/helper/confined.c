// SPDX-License-Identifier: MIT
/*
 * A confined process that does one job on the victim's bytes, as the helper sees it: started,
 * waited for, and ended, whatever it does.
 */
#include "confined.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "sandbox.h"

#define TICK_MS	     100
#define END_LIMIT_US (5U * 1000000) /* a process that waits in the kernel is left behind then */
#define END_PAUSE_US 1000

static _Noreturn void run_child(struct capture_job *job, pid_t parent, int done_fd)
{
	int *const all[] = { &job->pipe_fd, &job->mem_fd,  &job->pagemap_fd,
			     &job->maps_fd, &job->core_fd, &job->zst_fd };
	int *fds[SANDBOX_FDS_MAX] = { &done_fd };
	size_t count = 1;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (*all[i] >= 0)
			fds[count++] = all[i];
	if (sandbox_enter(fds, count, parent) < 0)
		_exit(EX_OSERR);
	capture_job_run(job);
	/* Each copy of the pipe holds the victim. */
	fd_close(&job->pipe_fd);
	(void)!write(done_fd, "", 1);
	_exit(EX_OK);
}

/*
 * Starts a process for the job.  0, and it is to be ended with confined_end(); or -errno.
 */
int confined_start(struct capture_job *job, struct confined *ret_process)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	atomic_store(&job->report->done, false);
	pid_t self = getpid(), pid = fork();
	if (pid == 0)
		run_child(job, self, fds[1]);
	int error = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (error < 0) {
		close(fds[0]);
		return error;
	}
	*ret_process = (struct confined){ .pid = pid, .done_fd = fds[0] };
	return 0;
}

/*
 * Waits until the job is done. 0: it is; -ECHILD: the process ended before; -ETIME: not until
 * deadline_us (CLOCK_MONOTONIC).
 */
int confined_wait(struct confined *p, const struct capture_report *report, uint64_t deadline_us,
		  confined_tick_fn tick, void *tick_context)
{
	struct pollfd fd = { .fd = p->done_fd, .events = POLLIN };
	uint64_t now;

	while ((now = clock_monotonic_us()) < deadline_us) {
		uint64_t left_ms = (deadline_us - now) / 1000 + 1;

		if (poll(&fd, 1, left_ms < TICK_MS ? (int)left_ms : TICK_MS) > 0)
			return atomic_load(&report->done) ? 0 : -ECHILD;
		if (tick)
			tick(tick_context);
	}
	return -ETIME;
}

/* Ends the process if it has not ended, and takes its status. */
void confined_end(struct confined *p)
{
	uint64_t give_up_us = clock_monotonic_us() + END_LIMIT_US;

	fd_close(&p->done_fd);
	if (p->pid <= 0)
		return;
	(void)kill(p->pid, SIGKILL); /* what has ended before keeps its status */
	while (waitpid(p->pid, &p->status, WNOHANG) == 0 && clock_monotonic_us() < give_up_us)
		usleep(END_PAUSE_US);
	p->pid = 0;
}

/* How it ended, in words. */
const char *confined_death(const struct confined *p, char *buf, size_t size)
{
	if (WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGSYS)
		snprintf(buf, size, "the capturing process made a system call that it must not");
	else if (WIFSIGNALED(p->status))
		snprintf(buf, size, "the capturing process was ended by signal %d",
			 WTERMSIG(p->status));
	else
		snprintf(buf, size, "the capturing process could not be confined");
	return buf;
}

/*
 * Does a job, for however long it takes. 0; -EINTR: somebody killed the process; -ECHILD: it died of
 * what it did; -errno.
 */
int confined_run(struct capture_job *job, confined_tick_fn tick, void *tick_context)
{
	struct confined process;
	int r = confined_start(job, &process);

	if (r < 0)
		return r;
	r = confined_wait(&process, job->report, UINT64_MAX, tick, tick_context);
	confined_end(&process);
	if (r == -ECHILD && WIFSIGNALED(process.status) && WTERMSIG(process.status) == SIGKILL)
		return -EINTR;
	return r < 0 ? r : job->report->error;
}
