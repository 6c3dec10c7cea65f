// SPDX-License-Identifier: MIT
/*
 * How many captures (or compressions) there may be at once, over all helpers: STORE/slots.
 *
 * Each of a pool's slots is a file, and whoever holds its lock has the slot.  They who find none
 * free wait for the lock of one more file, `turn`, which the kernel gives in the order of arrival;
 * the one who has it looks for a free slot again and again.  So one process polls, however many
 * wait.
 *
 * Only root can put anything into the store; a directory that others could write or enter is
 * refused: whoever could open a slot's file could hold up every crash.
 */
#include "slots.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "fd.h"
#include "file-lock.h"

#define SLOTS_DIRECTORY	      "slots"
#define SLOTS_POLL_NS	      1000000L
#define SLOTS_AUTOMATIC_LEAST 4
#define SLOTS_PER_CPU	      2
#define SLOTS_NAME_SIZE	      32
#define SLOTS_LANES	      64

/* The slots there are: as configured, or by the CPUs that we may use; 1 to CONFIG_SLOTS_MAX. */
unsigned slots_count(uint32_t configured)
{
	cpu_set_t cpus;
	unsigned count = configured;

	if (count == 0) {
		/* One system call; get_nprocs(3) reads files. */
		count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus)
								       : (unsigned)get_nprocs();
		count *= SLOTS_PER_CPU;
		count = count < SLOTS_AUTOMATIC_LEAST ? SLOTS_AUTOMATIC_LEAST : count;
	}
	return count < CONFIG_SLOTS_MAX ? count : CONFIG_SLOTS_MAX;
}

/* -ENOTDIR: a link or a file is there; -EPERM: a directory that is not ours alone. */
static int open_directory(int storefd, int *ret_fd)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	cleanup_fd int fd = openat(storefd, SLOTS_DIRECTORY, flags);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(storefd, SLOTS_DIRECTORY, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(storefd, SLOTS_DIRECTORY, flags);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return -EPERM;
	*ret_fd = fd_steal(&fd);
	return 0;
}

static int open_lock(int dirfd, const char *pool, const char *what, int *ret_fd)
{
	char name[SLOTS_NAME_SIZE];

	int n = snprintf(name, sizeof(name), "%s.%s", pool, what);
	assert(n > 0 && n < (int)sizeof(name));
	int fd = openat(dirfd, name,
			O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

struct search {
	int dirfd;
	const char *pool;
	unsigned count;
	int fds[CONFIG_SLOTS_MAX]; /* those that were opened: the first `opened` */
	unsigned opened;
};

static void close_search(struct search *search)
{
	for (unsigned i = 0; i < search->opened; i++)
		fd_close(&search->fds[i]);
}
#define cleanup_search __attribute__((cleanup(close_search)))

/* Tries each slot once.  Files are opened as they are needed, and kept for the next time. */
static int try_slots(struct search *search, int *ret_fd)
{
	for (unsigned i = 0; i < search->count; i++) {
		if (i == search->opened) {
			char number[12];

			snprintf(number, sizeof(number), "%u", i);
			int r = open_lock(search->dirfd, search->pool, number, &search->fds[i]);
			if (r < 0)
				return r;
			search->opened++;
		}
		if (flock(search->fds[i], LOCK_EX | LOCK_NB) == 0) {
			*ret_fd = fd_steal(&search->fds[i]);
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/*
 * Takes one of `count` slots (1 to CONFIG_SLOTS_MAX) of a pool: SLOTS_CAPTURE or SLOTS_COMPRESS,
 * which know nothing of each other.  Waits for its turn until deadline_us (CLOCK_MONOTONIC); with
 * one that is over it tries once.  The slot is given back when the last copy of *ret_fd is closed:
 * a child that does not exec must close it.  storefd may be of O_PATH.
 * 0, -ETIME: the deadline, or -errno.
 */
int slots_take(int storefd, const char *pool, unsigned count, uint64_t deadline_us, int *ret_fd)
{
	const struct timespec pause = { .tv_nsec = SLOTS_POLL_NS };
	cleanup_fd int dirfd = -1, turn = -1;

	assert(count > 0 && count <= CONFIG_SLOTS_MAX);
	int r = open_directory(storefd, &dirfd);
	if (r == 0)
		r = open_lock(dirfd, pool, "turn", &turn);
	if (r == 0)
		r = file_lock_until(turn, deadline_us);
	if (r < 0)
		return r;

	cleanup_search struct search search = { .dirfd = dirfd, .pool = pool, .count = count };
	while ((r = try_slots(&search, ret_fd)) == -EAGAIN) {
		if (now_us() >= deadline_us)
			return -ETIME;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return r;
}

/* FNV-1a. Whoever finds a name that shares another one's lane gains a place in that queue, no more.
 */
static unsigned hash_owner(const char *owner)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *owner; owner++)
		hash = (hash ^ (uint8_t)*owner) * 0x100000001b3ULL;
	return (unsigned)((hash ^ hash >> 32) % SLOTS_LANES);
}

/*
 * Takes one of the `width` places that an owner (a container, a user) has in a pool's lanes: who
 * holds one may ask for a slot, so that nobody fills the queue for it, or all slots.  Owners are
 * hashed: some share a lane.  All else as slots_take(), which is to be called after it.
 */
int slots_take_lane(int storefd, const char *pool, const char *owner, unsigned width,
		    uint64_t deadline_us, int *ret_fd)
{
	char lane[SLOTS_NAME_SIZE / 2];

	int n = snprintf(lane, sizeof(lane), "%s-%02x", pool, hash_owner(owner));
	assert(n > 0 && n < (int)sizeof(lane));
	return slots_take(storefd, lane, width, deadline_us, ret_fd);
}

/*
 * Takes one of the `most` places of an owner, without waiting: of things that are many, and only to
 * be counted.  Each is a byte of a file, locked by this descriptor.  0, -EAGAIN: all are taken; or
 * -errno.  See: fcntl(2), open file description locks.
 */
int slots_take_place(int storefd, const char *pool, const char *owner, unsigned most, int *ret_fd)
{
	cleanup_fd int dirfd = -1, fd = -1;
	char lane[12];

	int r = open_directory(storefd, &dirfd);
	if (r == 0) {
		snprintf(lane, sizeof(lane), "%02x", hash_owner(owner));
		r = open_lock(dirfd, pool, lane, &fd);
	}
	if (r < 0)
		return r;
	/* Not all begin with the same one. */
	for (unsigned i = 0, first = (unsigned)getpid() % most; i < most; i++) {
		struct flock place = { .l_type = F_WRLCK,
				       .l_whence = SEEK_SET,
				       .l_start = (off_t)((first + i) % most),
				       .l_len = 1 };

		if (fcntl(fd, F_OFD_SETLK, &place) == 0) {
			*ret_fd = fd_steal(&fd);
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
	}
	return -EAGAIN;
}
