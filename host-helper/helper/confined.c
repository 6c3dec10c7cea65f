// SPDX-License-Identifier: MIT
/*
 * A confined process that does one job on the victim's bytes, as the helper sees it: started,
 * waited for, and ended, whatever it does.
 */
#include "confined.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "sandbox.h"

#define TICK_MS		   100
#define END_LIMIT_US	   5000000U /* a process that waits in the kernel is left behind then */
#define CONFINED_ERRNO_MAX 4096	    /* the kernel's own limit */
#define END_PAUSE_MIN_US   50
#define END_PAUSE_MAX_US   2000

/* What a job may take after the victim's release: a process that was taken over might never end,
 * and holds a slot. */
#define RUN_LEAST_US	   (600ULL * 1000000)
#define RUN_BYTES_PER_US   8
#define RUN_UNPACKED_BYTES (1ULL << 40) /* digest_max counts up to that */

/* A job as it is sent: of its descriptors those that come with it, in this order. */
struct message {
	struct capture_job job;
	bool comes[CAPTURE_JOB_FDS];
};

static int *fd_of(struct capture_job *job, size_t i)
{
	int *const fds[CAPTURE_JOB_FDS] = { &job->pipe_fd, &job->mem_fd,  &job->pagemap_fd,
					    &job->maps_fd, &job->core_fd, &job->zst_fd,
					    &job->out_fd };

	return fds[i];
}

/* --- in the process --- */

/* Takes the next job.  Of the descriptors of earlier ones those stay that belong to this one, too.
 * False: there is none any more. */
static bool receive_job(int socket, struct capture_job *job)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(CAPTURE_JOB_FDS * sizeof(int))];
	} control;
	struct message message;
	struct iovec iov = { &message, sizeof(message) };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	ssize_t n;

	do {
		n = recvmsg(socket, &header, 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(message))
		return false;
	const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	size_t next = 0;
	for (size_t i = 0; i < CAPTURE_JOB_FDS; i++) {
		int *fd = fd_of(&message.job, i), *old = fd_of(job, i);
		bool is_wanted = *fd >= 0;

		*fd = -1;
		if (message.comes[i] && rights)
			memcpy(fd, CMSG_DATA(rights) + sizeof(int) * next++, sizeof(int));
		else if (is_wanted)
			*fd = fd_steal(old);
		fd_close(old);
	}
	*job = message.job;
	return true;
}

static _Noreturn void run_child(const struct capture_shared *shared, pid_t parent, int socket)
{
	struct capture_work work = { .shared = *shared };

	capture_job_init(&work.job);
	if (sandbox_enter(&socket, parent) < 0)
		_exit(EX_OSERR);
	while (receive_job(socket, &work.job)) {
		if (!capture_job_run(&work))
			continue;
		/* Each copy of the pipe holds the victim. */
		fd_close(&work.job.pipe_fd);
		fd_close(&work.job.out_fd);
		(void)!write(socket, "", 1);
		/* Ending takes time that the victim's end is waiting for: that is left to the
		   helper, who may also have another job. */
	}
	_exit(EX_OK);
}

/* --- in the helper --- */

/*
 * Starts a process, without a job yet.  0, and it is to be ended with confined_end(); or -errno.
 */
int confined_start(const struct capture_shared *shared, struct confined *ret_process)
{
	int sockets[2];

	*ret_process = (struct confined){ .socket = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	pid_t self = getpid(), pid = fork();
	if (pid == 0)
		run_child(shared, self, sockets[1]);
	int error = pid < 0 ? -errno : 0;
	close(sockets[1]);
	if (error < 0) {
		close(sockets[0]);
		return error;
	}
	*ret_process = (struct confined){ .pid = pid, .socket = sockets[0] };
	return 0;
}

/*
 * Sends it a job, with the descriptors that it has not got yet (job->sent), to be waited for with
 * confined_wait().  0 or -errno.
 */
int confined_send(const struct confined *p, const struct capture_shared *shared,
		  const struct capture_job *job)
{
	struct message message = { .job = *job };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(CAPTURE_JOB_FDS * sizeof(int))];
	} control;
	struct iovec iov = { &message, sizeof(message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[CAPTURE_JOB_FDS];
	size_t count = 0;

	for (size_t i = 0; i < CAPTURE_JOB_FDS; i++) {
		int fd = *fd_of(&message.job, i);

		message.comes[i] = fd >= 0 && !job->sent[i];
		if (message.comes[i])
			fds[count++] = fd;
	}
	if (count > 0) {
		memset(&control, 0, sizeof(control));
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	atomic_store(&shared->report->done, false);
	return sendmsg(p->socket, &header, MSG_NOSIGNAL) == sizeof(message) ? 0 : -errno;
}

/*
 * Waits until the job is done. 0: it is; -ECHILD: the process ended before; -ETIME: not until
 * deadline_us (CLOCK_MONOTONIC).
 */
int confined_wait(const struct confined *p, const struct capture_report *report,
		  uint64_t deadline_us, confined_tick_fn tick, void *tick_context)
{
	struct pollfd fd = { .fd = p->socket, .events = POLLIN };
	uint64_t now;

	while ((now = clock_monotonic_us()) < deadline_us) {
		uint64_t left_ms = (deadline_us - now) / 1000 + 1;

		if (poll(&fd, 1, left_ms < TICK_MS ? (int)left_ms : TICK_MS) > 0) {
			char byte;

			(void)!read(p->socket, &byte, 1);
			return atomic_load(&report->done) ? 0 : -ECHILD;
		}
		if (tick)
			tick(tick_context);
	}
	return -ETIME;
}

/* Ends the process if it has not ended, and takes its status. */
void confined_end(struct confined *p)
{
	uint64_t give_up_us = clock_monotonic_us() + END_LIMIT_US;
	unsigned pause_us = END_PAUSE_MIN_US;

	fd_close(&p->socket);
	if (p->pid <= 0)
		return;
	(void)kill(p->pid, SIGKILL); /* what has ended before keeps its status */
	while (waitpid(p->pid, &p->status, WNOHANG) == 0 && clock_monotonic_us() < give_up_us) {
		usleep(pause_us);
		pause_us = pause_us < END_PAUSE_MAX_US ? pause_us * 2 : pause_us;
	}
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

/* What the job failed with, by its own word: 0, or an -errno that strerror(3) knows. */
int confined_error(const struct capture_report *report)
{
	int32_t error = *(const volatile int32_t *)&report->error;

	return error <= 0 && error > -CONFINED_ERRNO_MAX ? error : -EPROTO;
}

/*
 * How much a file of stored_size bytes unpacks to, by a job's word: 0 where that cannot be (a block
 * of zstd takes 4 bytes, and unpacks to 128 KiB at most).
 */
uint64_t confined_raw_size(uint64_t reported, uint64_t stored_size)
{
	return reported / (128U << 8) <= stored_size ? reported : 0;
}

/* Takes over a digest that a job reported; what is none becomes "". */
void confined_digest(const char reported[DIGEST_HEX_SIZE], char hex[DIGEST_HEX_SIZE])
{
	memcpy(hex, reported, DIGEST_HEX_SIZE);
	hex[DIGEST_HEX_SIZE - 1] = '\0';
	if (strspn(hex, "0123456789abcdef") != DIGEST_HEX_SIZE - 1)
		hex[0] = '\0';
}

static uint64_t bytes_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* When a job that began now, and is not of the victim's time, must have ended. */
uint64_t confined_run_deadline(const struct capture_job *job, uint64_t now_us)
{
	uint64_t unpacked =
		job->digest_max < RUN_UNPACKED_BYTES ? job->digest_max : RUN_UNPACKED_BYTES;

	return now_us + RUN_LEAST_US +
	       (bytes_of(job->core_fd) + bytes_of(job->zst_fd) + unpacked) / RUN_BYTES_PER_US;
}

static int run_once(struct confined *p, const struct capture_shared *shared,
		    const struct capture_job *job, confined_tick_fn tick, void *tick_context)
{
	int r = p->pid > 0 ? 0 : confined_start(shared, p);

	/* It may have been ended while it had nothing to do. */
	if (r == 0 && confined_send(p, shared, job) < 0)
		r = -ECHILD;
	if (r == 0)
		r = confined_wait(p, shared->report,
				  confined_run_deadline(job, clock_monotonic_us()), tick,
				  tick_context);
	if (r < 0)
		confined_end(p);
	return r;
}

/*
 * Has the process do a job that can be begun anew, for as long as there is work for: another one
 * where there is none (pid 0) or it was ended, which may not have been its own fault, but memory's.
 * 0; -ECHILD: the process ended before; -ETIME: it did not end; -errno.
 */
int confined_run(struct confined *p, const struct capture_shared *shared,
		 const struct capture_job *job, confined_tick_fn tick, void *tick_context)
{
	int r = run_once(p, shared, job, tick, tick_context);

	if (r == -ECHILD)
		r = run_once(p, shared, job, tick, tick_context);
	return r < 0 ? r : confined_error(shared->report);
}
