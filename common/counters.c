// SPDX-License-Identifier: MIT
/*
 * What became of all crashes, counted: STORE/counters, a file that is mapped and added to.
 *
 * Only root can write the store's directory; the file may still be damaged, of another version, or
 * the wreck of a machine that lost its power.  It must never cost a crash its core: where it cannot
 * be had, nothing is counted, and a page that the disk has no room for must not end us by SIGBUS.
 */
#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"

#define COUNTERS_NEW_NAME ".counters.new"
#define COUNTERS_MAGIC	  "CFCOUNT" /* and NUL: 8 bytes */
#define COUNTERS_VERSION  1

/* Making a new file takes microseconds; one who stops in the middle is not waited for. */
#define CREATE_RETRY_MS 1
#define CREATE_WAIT_MS	10000 /* a thousand helpers may have begun at once */
#define CREATE_TRIES	10

struct counters_file {
	char magic[8];
	uint32_t version;
	uint16_t values, buckets; /* another number is another layout, whatever the version says */
	uint64_t value[COUNTER_COUNT];
	uint64_t held[COUNTERS_HELD_BUCKETS];
	uint64_t held_sum_us;
};

_Static_assert(sizeof(struct counters_file) <= 4096, "one page, so that there is one to populate");

static const struct counters_file empty_file = {
	.magic = COUNTERS_MAGIC,
	.version = COUNTERS_VERSION,
	.values = COUNTER_COUNT,
	.buckets = COUNTERS_HELD_BUCKETS,
};

#define TRUNCATED(reason)                                                               \
	{                                                                               \
		"cores_truncated", "reason", reason, "Cores of which a part was stored" \
	}
#define REFUSED(reason)                                                                          \
	{                                                                                        \
		"cores_refused", "reason", reason, "Crashes whose core was not taken, by a rule" \
	}
#define PUSH(result)                                                    \
	{                                                               \
		"pushes", "result", result, "Cores handed over, or not" \
	}
#define PLAIN(name, help)              \
	{                              \
		name, NULL, NULL, help \
	}

const struct counter_name counter_names[COUNTER_COUNT] = {
	[COUNTER_SEEN] = PLAIN("crashes_seen", "Crashes that the kernel told us of"),
	[COUNTER_STORED] = PLAIN("cores_stored", "Cores stored whole"),
	[COUNTER_TRUNCATED_DISK_FULL] = TRUNCATED("disk_full"),
	[COUNTER_TRUNCATED_TIME_OVER] = TRUNCATED("time_over"),
	[COUNTER_TRUNCATED_VICTIM_KILLED] = TRUNCATED("victim_killed"),
	[COUNTER_TRUNCATED_HELPER_KILLED] = TRUNCATED("helper_killed"),
	[COUNTER_TRUNCATED_LIMIT] = TRUNCATED("limit"),
	[COUNTER_TRUNCATED_CAPTURE_FAILED] = TRUNCATED("capture_failed"),
	[COUNTER_TRUNCATED_OTHER] = TRUNCATED("other"),
	[COUNTER_REFUSED_RATE_CONTAINER] = REFUSED("rate_container"),
	[COUNTER_REFUSED_RATE_SIGNATURE] = REFUSED("rate_signature"),
	[COUNTER_REFUSED_EXCLUDE] = REFUSED("exclude"),
	[COUNTER_REFUSED_RLIMIT] = REFUSED("rlimit"),
	[COUNTER_REFUSED_KEEP_FREE] = REFUSED("keep_free"),
	[COUNTER_REFUSED_SLOTS_BUSY] = REFUSED("slots_busy"),
	[COUNTER_REFUSED_OTHER] = REFUSED("other"),
	[COUNTER_FAILED] = PLAIN("cores_failed", "Crashes whose core could not be stored"),
	[COUNTER_CAPTURED_BYTES] = PLAIN("captured_bytes", "Bytes copied out of processes"),
	[COUNTER_STORED_BYTES] = PLAIN("stored_bytes", "Bytes that cores took in the store"),
	[COUNTER_HOLE_BYTES] = PLAIN("hole_bytes", "Bytes of cores that were never there to copy"),
	[COUNTER_PUSH_DONE] = PUSH("done"),
	[COUNTER_PUSH_FAILED] = PUSH("failed"),
	[COUNTER_PUSH_REFUSED] = PUSH("refused"),
	[COUNTER_EVICTED_CORES] = PLAIN("cores_evicted", "Cores removed to keep to a quota"),
	[COUNTER_RECOVERED_PARTIALS] =
		PLAIN("partials_recovered", "Captures that were cut off, and published afterwards"),
};

const uint64_t counters_held_bounds_us[COUNTERS_HELD_BOUNDS] = {
	1000,	2500,	 5000,	  10000,   25000,    50000,    100000,	 250000,
	500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};

/* --- opening --- */

/* Maps what fd is, if it is ours in every respect. -EINVAL: it is not. */
static int map_file(int fd, bool writable, struct counters *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != sizeof(struct counters_file) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) != 0)
		return -EINVAL;
	void *map = mmap(NULL, sizeof(struct counters_file),
			 writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	if (memcmp(map, &empty_file, offsetof(struct counters_file, value)) != 0) {
		munmap(map, sizeof(struct counters_file));
		return -EINVAL;
	}
	/* A child that copes with the victim's bytes has no business here. */
	(void)madvise(map, sizeof(struct counters_file), MADV_DONTFORK);
	ret->map = map;
	ret->writer = writable ? getpid() : 0;
	return 0;
}

static int open_file(int storefd, bool writable, struct counters *ret)
{
	cleanup_fd int fd = openat(storefd, COUNTERS_FILE_NAME,
				   (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK |
					   O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return map_file(fd, writable, ret);
}

static bool is_at(int storefd, const char *name, int fd)
{
	struct stat there, ours;

	return fstatat(storefd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
	       there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/*
 * The file that is to become the new one is the lock, too: nobody else can open it (0600) before it
 * is complete.  -EAGAIN: it has become the new one, or is gone, while we waited.
 */
static int lock_new_file(int storefd, int *ret_fd)
{
	const struct timespec pause = { .tv_nsec = CREATE_RETRY_MS * 1000000L };
	cleanup_fd int fd =
		openat(storefd, COUNTERS_NEW_NAME,
		       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += CREATE_RETRY_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= CREATE_WAIT_MS)
			return -ETIME;
		(void)nanosleep(&pause, NULL);
	}
	if (!is_at(storefd, COUNTERS_NEW_NAME, fd))
		return -EAGAIN;
	*ret_fd = fd_steal(&fd);
	return 0;
}

static int make_file(int storefd, int fd, gid_t gid)
{
	/* Written, not only made long: its block on the disk is there before it is counted on. */
	int r = ftruncate(fd, 0) < 0 ? -errno : fd_write_all(fd, &empty_file, sizeof(empty_file));

	if (r == 0 && geteuid() == 0 && fchown(fd, (uid_t)-1, gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, 0640) < 0)
		r = -errno;
	if (r == 0 && renameat(storefd, COUNTERS_NEW_NAME, storefd, COUNTERS_FILE_NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(storefd, COUNTERS_NEW_NAME, 0);
	return r;
}

static int replace_file(int storefd, gid_t gid, struct counters *ret)
{
	cleanup_fd int fd = -1;
	int r = -EAGAIN;

	for (int i = 0; i < CREATE_TRIES && r == -EAGAIN; i++) {
		r = lock_new_file(storefd, &fd);
		if (r == -EAGAIN && open_file(storefd, true, ret) == 0)
			return 0;
	}
	if (r < 0)
		return r;
	/* Another one may have been first: what has been counted since is not thrown away. */
	if (open_file(storefd, true, ret) == 0) {
		(void)unlinkat(storefd, COUNTERS_NEW_NAME, 0);
		return 0;
	}
	r = make_file(storefd, fd, gid);
	return r < 0 ? r : map_file(fd, true, ret);
}

/*
 * Opens STORE/counters, to read it, or with `create` to count: then one that is missing or not ours
 * (-EINVAL for a reader) is made anew, for root and the group gid, with all counters 0.  A reader
 * that stays should open it again each time, for that reason.  Children do not inherit the mapping.
 * 0 or -errno, and then *ret_counters is closed, and counting with it does nothing.
 */
int counters_open(int storefd, gid_t gid, bool create, struct counters *ret_counters)
{
	*ret_counters = (struct counters){ NULL, 0 };

	int r = open_file(storefd, create, ret_counters);
	bool is_not_ours = r == -ENOENT || r == -EINVAL || r == -ELOOP || r == -ENXIO;
	if (!create || !is_not_ours)
		return r;
	return replace_file(storefd, gid, ret_counters);
}

/* Closes them. */
void counters_close(struct counters *counters)
{
	if (counters->map)
		munmap(counters->map, sizeof(struct counters_file));
	*counters = (struct counters){ NULL, 0 };
}

/* --- counting and reading --- */

/*
 * A page of a file may need room on the disk when it is written again (copy on write), and none is
 * left: touching it would be SIGBUS.  The kernel can be asked to make it ready, and then says so.
 * Before Linux 5.14 it cannot (EINVAL).  See: madvise(2).
 */
static bool make_ready(const struct counters_file *map, int advice)
{
	/* madvise(2) changes nothing behind the pointer. */
	return madvise((void *)(uintptr_t)map, sizeof(*map), advice) == 0 || errno == EINVAL;
}

static bool can_add(const struct counters *counters)
{
	return counters->map && counters->writer == getpid() &&
	       make_ready(counters->map, MADV_POPULATE_WRITE);
}

/* Adds n to a counter. Where they are not open, and in a child of who opened them, does nothing. */
void counters_add(const struct counters *counters, enum counter counter, uint64_t n)
{
	if (can_add(counters))
		__atomic_fetch_add(&counters->map->value[counter], n, __ATOMIC_RELAXED);
}

/* Counts a victim that was held for so many µs. */
void counters_held(const struct counters *counters, uint64_t us)
{
	size_t bucket = 0;

	if (!can_add(counters))
		return;
	while (bucket < COUNTERS_HELD_BOUNDS && us > counters_held_bounds_us[bucket])
		bucket++;
	__atomic_fetch_add(&counters->map->held[bucket], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counters->map->held_sum_us, us, __ATOMIC_RELAXED);
}

/* Reads all of them; each is right, at slightly different moments. 0, -EBADF: not open, or -EIO. */
int counters_read(const struct counters *counters, struct counters_snapshot *ret_snapshot)
{
	const struct counters_file *map = counters->map;

	if (!map)
		return -EBADF;
	if (!make_ready(map, MADV_POPULATE_READ))
		return -EIO;
	*ret_snapshot = (struct counters_snapshot){ 0 };
	for (int i = 0; i < COUNTER_COUNT; i++)
		ret_snapshot->value[i] = __atomic_load_n(&map->value[i], __ATOMIC_RELAXED);
	for (int i = 0; i < COUNTERS_HELD_BUCKETS; i++) {
		ret_snapshot->held[i] = __atomic_load_n(&map->held[i], __ATOMIC_RELAXED);
		ret_snapshot->held_count += ret_snapshot->held[i];
	}
	ret_snapshot->held_sum_us = __atomic_load_n(&map->held_sum_us, __ATOMIC_RELAXED);
	return 0;
}
