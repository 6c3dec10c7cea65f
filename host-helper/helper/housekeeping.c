// SPDX-License-Identifier: MIT
/*
 * Housekeeping of the store: one process at a time, for all that ask.
 *
 * The lock's file is root's alone, so nobody else can hold it.  What is asked for while a run is
 * under way is done by who runs: the request is written into the file before the lock is tried, and
 * looked for after it is given back.
 */
#include "housekeeping.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"

#define LOCK_NAME    "housekeeping.lock"
#define PAUSE_NS_MAX 1000000000ULL

/* A request: no two are the same. */
struct request {
	uint64_t monotonic_ns;
	uint64_t pid;
};

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool write_request(int fd)
{
	const struct request request = { monotonic_ns(), (uint64_t)getpid() };

	return pwrite(fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request);
}

/* The newest request; zeros where there is none. */
static struct request read_request(int fd)
{
	struct request request = { 0 };

	if (pread(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return (struct request){ 0 };
	return request;
}

/* 0, -EWOULDBLOCK or -errno. */
static int take_lock(int fd, bool wait)
{
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void add_quota(struct housekeeping_result *result)
{
	result->freed_bytes += result->quota.freed_bytes;
	result->cores_removed += result->quota.cores_removed;
	result->records_removed += result->quota.records_removed;
	result->tidied += result->quota.tidied;
}

static int run_once(const struct store *store, const struct quota_limits *limits,
		    struct housekeeping_result *result)
{
	int r = recover_partials(store, &result->recover);
	int q = quota_enforce(store, limits, &result->quota);

	result->runs++;
	add_quota(result);
	return r < 0 ? r : q;
}

/* In a storm of crashes half of the time is left to them, and many requests become one run. */
static void pause_for(uint64_t ns)
{
	ns = ns < PAUSE_NS_MAX ? ns : PAUSE_NS_MAX;
	const struct timespec pause = { .tv_sec = (time_t)(ns / 1000000000),
					.tv_nsec = (long)(ns % 1000000000) };

	nanosleep(&pause, NULL);
}

static int open_lock(const struct store *store)
{
	int fd = openat(store->dir_fd, LOCK_NAME,
			O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/*
 * Enforces the limits once, while a victim waits: nothing is recovered, nobody is waited for, and
 * what others ask for meanwhile is not done: the caller is to call housekeeping_run() later.  0;
 * HOUSEKEEPING_LEFT: another process is at it, and nothing was done; -errno.
 */
int housekeeping_make_room(const struct store *store, const struct quota_limits *limits,
			   struct housekeeping_result *ret_result)
{
	cleanup_fd int fd = open_lock(store);

	*ret_result = (struct housekeeping_result){ 0 };
	int r = fd < 0 ? fd : take_lock(fd, false);
	if (r < 0)
		return r == -EWOULDBLOCK ? HOUSEKEEPING_LEFT : r;
	r = quota_enforce(store, limits, &ret_result->quota);
	add_quota(ret_result);
	return r;
}

/*
 * Recovers what was left over and enforces the limits; or leaves that to another process that is at
 * it, which then starts once more, after this call.  *ret_result tells what was done here.  0;
 * HOUSEKEEPING_LEFT; -errno of the last run, or of the lock.
 *
 * No request is lost: it is written before the lock is tried, so who holds the lock then finds it
 * after giving the lock back; and if somebody else has taken the lock in between, that one's run
 * began later than the request.  (If the holder is killed, the next crash's helper does it.)
 */
int housekeeping_run(const struct store *store, const struct quota_limits *limits,
		     recover_mend_fn mend, struct housekeeping_result *ret_result)
{
	cleanup_fd int fd = open_lock(store);
	struct request served, newest;
	int run_error = 0;

	*ret_result = (struct housekeeping_result){ .recover.mend = mend };
	if (fd < 0)
		return fd;
	/* On a full disk, where no request can be written, everybody waits for an own turn: room is
	 * made then. */
	bool wait = !write_request(fd);
	for (;;) {
		int r = take_lock(fd, wait);

		if (r < 0 && r != -EWOULDBLOCK)
			return r;
		if (r < 0)
			return ret_result->runs > 0 ? run_error : HOUSEKEEPING_LEFT;
		uint64_t start_ns = monotonic_ns();
		served = read_request(fd);
		run_error = run_once(store, limits, ret_result);
		(void)flock(fd, LOCK_UN);
		newest = read_request(fd);
		if (memcmp(&served, &newest, sizeof(served)) == 0)
			return run_error;
		wait = false;
		pause_for(monotonic_ns() - start_ns);
	}
}
