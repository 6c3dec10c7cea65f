// SPDX-License-Identifier: MIT
/*
 * The raw core on a delegate's stdin: unpacked by a confined process, which writes it there itself.
 *
 * Of the core no byte comes by here.  The process has nothing but the stored file and the pipe; the
 * other end of that is the container's.
 */
#include "delegate-feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "fd.h"

#define PIPE_BYTES (256 << 10)
/* Whose reader has ended has ended, too, at once. */
#define END_US 200000U

static int open_core(int dirfd, const char *core_file, struct capture_job *job)
{
	bool zst = strcmp(core_file, CRASH_CORE_ZST_NAME) == 0;
	int fd = openat(dirfd, core_file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*(zst ? &job->zst_fd : &job->core_fd) = fd;
	return 0;
}

/*
 * Starts it for core_file ("core" or "core.zst") of the crash directory dirfd.  0: *ret_stdin is
 * the pipe's reading end, the caller's, and delegate_feed_end() is to be called; or -errno.
 */
int delegate_feed_start(int dirfd, const char *core_file, struct delegate_feed *ret_feed,
			int *ret_stdin)
{
	struct delegate_feed feed = { .process = { .socket = -1 } };
	cleanup_fd int read_end = -1;
	struct capture_job job;
	int fds[2];

	capture_job_init(&job);
	job.kind = CAPTURE_JOB_UNPACK;
	int r = open_core(dirfd, core_file, &job);
	if (r == 0)
		r = pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0;
	if (r == 0) {
		read_end = fds[0];
		job.out_fd = fds[1];
		(void)fcntl(job.out_fd, F_SETPIPE_SZ, PIPE_BYTES);
		r = capture_share(&feed.shared);
	}
	if (r == 0)
		r = confined_start(&feed.shared, &feed.process);
	if (r == 0)
		r = confined_send(&feed.process, &feed.shared, &job);
	capture_close_files(&job);
	fd_close(&job.out_fd);
	if (r < 0) {
		confined_end(&feed.process);
		capture_unshare(&feed.shared);
		return r;
	}
	*ret_feed = feed;
	*ret_stdin = fd_steal(&read_end);
	return 0;
}

/*
 * Ends it: the reader has ended, or its time is over.  0: it got what it wanted; -ECHILD: the
 * process ended before; -EBADMSG: the stored file is damaged; -errno: the reader got a part only.
 */
int delegate_feed_end(struct delegate_feed *feed)
{
	const struct capture_report *report = feed->shared.report;
	int r = 0;

	if (!atomic_load(&report->done))
		r = confined_wait(&feed->process, report, clock_monotonic_us() + END_US, NULL,
				  NULL);
	confined_end(&feed->process);
	if (r == -ETIME) /* it was not waited for */
		r = 0;
	else if (r == 0)
		r = confined_error(report);
	capture_unshare(&feed->shared);
	return r;
}
