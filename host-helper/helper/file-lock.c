// SPDX-License-Identifier: MIT
/*
 * Waiting for a lock on a file, in the order of arrival, but not for ever.
 *
 * flock(2) queues those who wait, which polling does not, but knows no deadline: a timer's signal,
 * for this thread only, interrupts it.  Nothing here has input from outside.
 */
#include "file-lock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* The first signal may come when flock() has not yet begun to wait, and is lost then; so others
 * follow it. */
#define REPEAT_NS 10000000L

#ifndef sigev_notify_thread_id /* glibc has no name for it. See: timer_create(2) */
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void do_nothing(int signal)
{
	(void)signal;
}

static bool is_over(uint64_t deadline_us)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 >= deadline_us;
}

static int wait_for_lock(int fd, uint64_t deadline_us)
{
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return -errno;
		if (is_over(deadline_us))
			return -ETIME;
	}
	return 0;
}

static int start_timer(int signal, uint64_t deadline_us, timer_t *ret_timer)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = signal,
				  .sigev_notify_thread_id = gettid() };
	const struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(deadline_us / 1000000),
			      .tv_nsec = (long)(deadline_us % 1000000) * 1000 },
		.it_interval = { .tv_nsec = REPEAT_NS },
	};

	if (timer_create(CLOCK_MONOTONIC, &event, ret_timer) < 0)
		return -errno;
	if (timer_settime(*ret_timer, TIMER_ABSTIME, &when, NULL) < 0) {
		int r = -errno;

		timer_delete(*ret_timer);
		return r;
	}
	return 0;
}

/*
 * Takes the exclusive lock on fd, see flock(2), waiting for it until deadline_us (CLOCK_MONOTONIC).
 * Meanwhile SIGRTMIN has a handler of ours, in the whole process; afterwards all is as it was.
 * 0, -ETIME: the deadline, or -errno.
 */
int file_lock_until(int fd, uint64_t deadline_us)
{
	const struct sigaction action = { .sa_handler = do_nothing }; /* without SA_RESTART */
	const int signal = SIGRTMIN;
	struct sigaction old_action;
	sigset_t set, old_set;
	timer_t timer;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return -errno;
	if (is_over(deadline_us))
		return -ETIME;

	sigemptyset(&set);
	sigaddset(&set, signal);
	if (sigaction(signal, &action, &old_action) < 0)
		return -errno;
	int r = -pthread_sigmask(SIG_UNBLOCK, &set, &old_set);
	if (r == 0) {
		r = start_timer(signal, deadline_us, &timer);
		if (r == 0) {
			r = wait_for_lock(fd, deadline_us);
			/* What it has sent before is delivered on the way out of this call. */
			timer_delete(timer);
		}
		(void)pthread_sigmask(SIG_SETMASK, &old_set, NULL);
	}
	(void)sigaction(signal, &old_action, NULL);
	return r;
}
