// SPDX-License-Identifier: MIT
/*
 * The process by which a victim's place can be entered again.
 *
 * All of it is the kernel's word.  A process is taken by its pidfd, and is the recorded one only if
 * its pid and its start time are, and each of its namespaces and its root directory are those that
 * the victim had: whoever has that pid by now, or has moved since, is not entered.  Nothing is read
 * of what is in there.
 */
#include "anchor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "parse.h"
#include "proc.h"

static int set_root(int root_fd, struct anchor_place *place)
{
	struct statx st;

	/* It may be the victim's own file system: what the kernel knows of it will do. */
	if (statx(root_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &st) <
	    0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	place->root_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	place->root_ino = st.stx_ino;
	place->root_mount = st.stx_mnt_id;
	return 0;
}

/* The place that the plan leads to, by its descriptors.  0 or -errno. */
int anchor_place_of_plan(const struct enter_plan *plan, struct anchor_place *ret_place)
{
	struct anchor_place place;

	memset(&place, 0, sizeof(place));
	for (int i = 0; i < ENTER_NS_COUNT; i++) {
		char own[48];
		struct stat st;

		snprintf(own, sizeof(own), "/proc/self/ns/%s",
			 enter_namespace_name((enum enter_namespace)i));
		if ((plan->ns_fd[i] >= 0 ? fstat(plan->ns_fd[i], &st) : stat(own, &st)) < 0) {
			if (plan->ns_fd[i] < 0 && errno == ENOENT)
				continue;
			return -errno;
		}
		place.ns[i].dev = st.st_dev;
		place.ns[i].ino = st.st_ino;
	}
	int r = set_root(plan->root_fd, &place);
	if (r == 0)
		*ret_place = place;
	return r;
}

/* True if the process whose /proc directory that is has the place's namespaces and root. */
static bool is_there(int procfd, const struct anchor_place *place)
{
	struct anchor_place root;
	struct stat st;

	for (int i = 0; i < ENTER_NS_COUNT; i++) {
		char path[32];

		snprintf(path, sizeof(path), "ns/%s",
			 enter_namespace_name((enum enter_namespace)i));
		if (place->ns[i].ino != 0 &&
		    (fstatat(procfd, path, &st, 0) < 0 || st.st_ino != place->ns[i].ino ||
		     st.st_dev != place->ns[i].dev))
			return false;
	}
	cleanup_fd int fd = openat(procfd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && set_root(fd, &root) == 0 && root.root_dev == place->root_dev &&
	       root.root_ino == place->root_ino && root.root_mount == place->root_mount;
}

static int read_start_time(int procfd, uint64_t *ret_ticks)
{
	cleanup_free char *text = NULL;
	struct proc_stat stat;
	size_t len;
	int r = file_read_at(procfd, "stat", 4096, &text, &len);

	if (r == 0)
		r = proc_stat_parse(text, &stat);
	if (r == 0)
		*ret_ticks = stat.start_time;
	return r;
}

/*
 * Looks for the oldest process but `except` (a pid) that is at that place: a container's init, as
 * long as the place is the init's.  False: there is none.
 */
bool anchor_find(const struct anchor_place *place, uint32_t except, struct anchor *ret_anchor)
{
	struct anchor best = { 0 };
	const struct dirent *entry;
	DIR *proc = opendir("/proc");
	uint64_t pid, ticks = 0;

	while (proc && (entry = readdir(proc))) {
		if (parse_u64(entry->d_name, INT_MAX, &pid) < 0 || pid == except)
			continue;
		cleanup_fd int procfd =
			openat(dirfd(proc), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (procfd < 0 || !is_there(procfd, place) || read_start_time(procfd, &ticks) < 0 ||
		    (best.pid != 0 && ticks >= best.start_time))
			continue;
		best = (struct anchor){ .pid = (uint32_t)pid, .start_time = ticks };
		/* The host's: none is older. */
		if (pid == 1)
			break;
	}
	if (proc)
		closedir(proc);
	*ret_anchor = best;
	return best.pid != 0;
}

static bool is_same_place(const struct anchor_place *a, const struct anchor_place *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * Pins the place by the anchor, as enter_plan_pin() does it by the victim; the working directory is
 * the root.  The plan has no descriptors before.  0; -ESRCH: that process is gone, or has moved;
 * -errno.  In doubt the plan is closed.
 */
int anchor_pin(const struct anchor *anchor, const struct anchor_place *place,
	       struct enter_plan *plan)
{
	char path[32];
	const char *what;
	struct anchor_place now;
	uint64_t ticks;
	cleanup_fd int pidfd = pidfd_open((pid_t)anchor->pid, 0);

	if (pidfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u", anchor->pid);
	cleanup_fd int procfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = procfd < 0 ? -ESRCH : read_start_time(procfd, &ticks);
	if (r == 0 && ticks != anchor->start_time)
		r = -ESRCH;
	if (r == 0)
		r = enter_plan_pin(plan, procfd, &what);
	if (r == 0) {
		fd_close(&plan->cwd_fd);
		plan->cwd_fd = fcntl(plan->root_fd, F_DUPFD_CLOEXEC, 3);
		r = plan->cwd_fd < 0 ? -errno : anchor_place_of_plan(plan, &now);
	}
	if (r == 0 && !is_same_place(&now, place))
		r = -ESRCH;
	/* As long as it has not been reaped, its pid was nobody else's. */
	if (r == 0 && pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
		r = -errno;
	if (r < 0)
		enter_plan_close(plan);
	return r;
}
