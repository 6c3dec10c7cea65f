// SPDX-License-Identifier: MIT
/*
 * The crashed process: who it is, what it may, and a hold on it.
 *
 * /proc/PID is the victim's in every byte that it could choose (comm, environ, cmdline, links), and
 * a number that may be another's tomorrow: so it is opened once, tied to the pidfd, and nothing is
 * handed to anyone unless the kernel says that this is the process that is dumping its core.
 */
#include "victim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "parse.h"
#include "victim-plan.h"

static const struct {
	const char *name;
	size_t max; /* bytes: what is longer is cut there */
} files[VICTIM_FILE_COUNT] = {
	[VICTIM_MAPS] = { "maps", 16U << 20 },		[VICTIM_ENVIRON] = { "environ", 1U << 20 },
	[VICTIM_LIMITS] = { "limits", 64U << 10 },	[VICTIM_CGROUP] = { "cgroup", 64U << 10 },
	[VICTIM_MOUNTINFO] = { "mountinfo", 4U << 20 }, [VICTIM_STATUS] = { "status", 1U << 20 },
	[VICTIM_CMDLINE] = { "cmdline", 64U << 10 },	[VICTIM_COMM] = { "comm", 256 },
};

/* 0 while the process that the pidfd names has not been reaped: then its pid cannot be another's.
   Else -ESRCH. */
int victim_check_alive(const struct victim *v)
{
	return pidfd_send_signal(v->pidfd, 0, NULL, 0) < 0 ? -errno : 0;
}

/* Starts the clock; pipe_fd is taken over. */
void victim_init(struct victim *v, int pipe_fd)
{
	*v = (struct victim){
		.pipe_fd = pipe_fd, .start_us = clock_monotonic_us(), .pidfd = -1, .procfd = -1
	};
	enter_plan_init(&v->plan);
}

/* Lets the victim go: the kernel ends it when the last copy of the pipe is closed. */
void victim_release(struct victim *v)
{
	if (v->pipe_fd < 0)
		return;
	fd_close(&v->pipe_fd);
	v->held_us = clock_monotonic_us() - v->start_us;
}

/* True if it has ended, or does until deadline_us (CLOCK_MONOTONIC), or if there is none. */
bool victim_has_ended(const struct victim *v, uint64_t deadline_us)
{
	struct pollfd fd = { .fd = v->pidfd, .events = POLLIN };

	if (v->pidfd < 0)
		return true;
	for (;;) {
		uint64_t now = clock_monotonic_us();
		uint64_t left_ms = deadline_us > now ? (deadline_us - now) / 1000 + 1 : 0;
		int n = poll(&fd, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);

		if (n > 0)
			return true;
		if (left_ms == 0 || (n < 0 && errno != EINTR))
			return false;
	}
}

/*
 * Lets the victim go, and sees that it ends: the kernel looks whether the pipe is still open only
 * when it finds a page to write, which behind terabytes of holes is minutes later.  Only SIGKILL
 * ends the dump at once, at a price: the parent sees that signal in place of the one that it
 * crashed with.  So the kernel has until deadline_us (CLOCK_MONOTONIC) to see it by itself.
 */
void victim_end_by(struct victim *v, uint64_t deadline_us)
{
	victim_release(v);
	if (v->is_dumping && !victim_has_ended(v, deadline_us) && victim_check_alive(v) == 0)
		(void)pidfd_send_signal(v->pidfd, SIGKILL, NULL, 0);
}

/* Keeps the victim, but for no longer than max_ms from now. */
void victim_hold(struct victim *v, uint64_t max_ms)
{
	v->hold_until_us = clock_monotonic_us() + max_ms * 1000;
}

/* Lets the victim go if its time is over: to be asked from time to time while it is held. */
void victim_check_hold(struct victim *v)
{
	if (v->pipe_fd >= 0 && v->hold_until_us > 0 && clock_monotonic_us() >= v->hold_until_us)
		victim_release(v);
}

/* Frees and closes all, the pipe too. */
void victim_close(struct victim *v)
{
	victim_release(v);
	fd_close(&v->pidfd);
	fd_close(&v->procfd);
	enter_plan_close(&v->plan);
	for (int i = 0; i < VICTIM_FILE_COUNT; i++)
		free(v->files[i].data);
	free(v->exe);
	free(v->cwd);
	free(v->no_plan);
	free(v->note);
}

/* The pid that a pidfd stands for, from its "Pid:" line. See: pidfd_open(2). */
static int pidfd_to_pid(int pidfd, uint32_t *ret_pid)
{
	char path[64], *save = NULL;
	cleanup_free char *text = NULL;
	uint64_t pid;
	size_t len;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	int r = file_read_at(AT_FDCWD, path, 4096, &text, &len);
	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "Pid:\t", 5) != 0)
			continue;
		if (parse_u64(line + 5, INT_MAX, &pid) < 0)
			return -ESRCH; /* -1: already reaped */
		*ret_pid = (uint32_t)pid;
		return 0;
	}
	return -EBADF; /* not a pidfd */
}

/*
 * Takes the kernel's pidfd (%F).  If its process is gone, or is not the one of %P, it is the pidfd
 * that counts: the pid may be another's by now.  What is no pidfd comes from a kernel without %F:
 * then one is opened.
 */
static int open_pidfd(struct victim *v, const struct arguments *a)
{
	uint32_t pid = 0;
	int r = -EBADF;

	if (a->has_pidfd && a->pidfd > STDERR_FILENO)
		r = pidfd_to_pid(a->pidfd, &pid);
	if (r == -ESRCH || (r == 0 && pid != a->pid))
		return -ESRCH;
	v->pidfd = r == 0 ? a->pidfd : pidfd_open((pid_t)a->pid, 0);
	if (v->pidfd < 0)
		return -errno;
	return fcntl(v->pidfd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int open_task(const struct arguments *a, uint32_t tid, int *ret_fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u", a->pid, tid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* A thread that still has its memory: of one that has exited, a leader too, /proc shows nothing. */
static int open_any_task(const struct arguments *a, int *ret_fd)
{
	char path[64], target[8];
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%u/task", a->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		uint64_t tid;

		if (parse_u64(entry->d_name, INT_MAX, &tid) < 0)
			continue;
		cleanup_fd int fd = -1;
		if (open_task(a, (uint32_t)tid, &fd) == 0 &&
		    readlinkat(fd, "exe", target, sizeof(target)) > 0) {
			*ret_fd = fd_steal(&fd);
			break;
		}
	}
	closedir(dir);
	return *ret_fd < 0 ? -ESRCH : 0;
}

static void read_file(struct victim *v, enum victim_file which)
{
	struct victim_text *f = &v->files[which];
	cleanup_fd int fd = openat(v->procfd, files[which].name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fd_read_some(fd, files[which].max, &f->data, &f->len) < 0)
		return;
	if (victim_check_alive(v) < 0) {
		free(f->data);
		*f = (struct victim_text){ NULL, 0 };
	}
}

/* What has to be known before the capture begins. */
static void read_status(struct victim *v, const struct arguments *a)
{
	const struct victim_text *text = &v->files[VICTIM_STATUS];

	read_file(v, VICTIM_STATUS);
	read_file(v, VICTIM_CGROUP);
	v->has_status = text->data && proc_status_parse(text->data, &v->status) == 0;
	v->is_dumping = v->has_status && v->status.tgid == a->pid && v->status.core_dumping;
}

/*
 * Opens the victim: pidfd and /proc directory.  The directory is that of the crashing thread where
 * the kernel names it (%I), else of any thread that has not exited. -ESRCH: no such process;
 * -errno.
 */
int victim_open(struct victim *v, const struct arguments *a)
{
	int r = open_pidfd(v, a);

	if (r == 0)
		r = a->has_tid ? open_task(a, a->tid, &v->procfd) : open_any_task(a, &v->procfd);
	if (r == -ENOENT)
		r = -ESRCH;
	if (r == 0)
		r = victim_check_alive(v);
	if (r == 0)
		read_status(v, a);
	return r;
}

static char *read_link(const struct victim *v, const char *name)
{
	char target[PATH_MAX + 16];
	ssize_t n = readlinkat(v->procfd, name, target, sizeof(target) - 1);

	if (n < 0 || victim_check_alive(v) < 0)
		return NULL;
	target[n] = '\0';
	return strdup(target);
}

/* The kernel writes " (deleted)" behind a file that was replaced: an upgraded daemon keeps its
 * name. */
static void strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = path ? strlen(path) : 0;

	if (len > sizeof(mark) - 1 && strcmp(path + len - (sizeof(mark) - 1), mark) == 0)
		path[len - (sizeof(mark) - 1)] = '\0';
}

static void read_files(struct victim *v)
{
	for (int i = 0; i < VICTIM_FILE_COUNT; i++)
		if (!v->files[i].data)
			read_file(v, (enum victim_file)i);
	v->exe = read_link(v, "exe");
	v->cwd = read_link(v, "cwd");
	strip_deleted(v->exe);
	strip_deleted(v->cwd);
}

static bool same4(const uint32_t ids[4], uint32_t id)
{
	return ids[0] == id && ids[1] == id && ids[2] == id && ids[3] == id;
}

static bool auxv_is_secure(const struct victim *v)
{
	cleanup_free char *auxv = NULL;
	size_t len;
	cleanup_fd int fd = openat(v->procfd, "auxv", O_RDONLY | O_CLOEXEC);

	return fd < 0 || fd_read_some(fd, 4096, &auxv, &len) < 0 || victim_check_alive(v) < 0 ||
	       proc_auxv_is_secure(auxv, len);
}

/*
 * Files of an undumpable process belong to the root of its user namespace.  (Of root's own
 * processes this cannot tell; but those had the rights of root before as well.)  See: proc(5).
 */
static bool is_undumpable(const struct victim *v)
{
	struct stat st;

	return fstatat(v->procfd, "environ", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	       victim_check_alive(v) < 0 || st.st_uid != v->status.uid[1];
}

/*
 * Why the core must stay with the host's root: NULL, or the reason.  Where the kernel's word is
 * missing
 * (%d) the rest is asked; where identity is in doubt the answer is the cautious one.
 */
static const char *find_root_only(const struct victim *v, const struct arguments *a)
{
	const struct proc_status *s = &v->status;

	if (a->has_dump_mode && a->dump_mode != 1)
		return "the kernel marks the process as not dumpable (set-uid, file capabilities, "
		       "unreadable program): dump mode is not 1";
	if (s->tgid != a->pid)
		return "/proc does not show the process that the kernel named";
	if (s->core_dumping_known && !s->core_dumping)
		return "/proc shows a process that is not dumping its core";
	if (s->uid[0] != a->uid || s->gid[0] != a->gid)
		return "uid or gid in /proc are not those that the kernel named";
	if (!same4(s->uid, a->uid) || !same4(s->gid, a->gid))
		return "real, effective, saved and file system ids differ";
	if (!a->has_dump_mode && is_undumpable(v))
		return "the process is not dumpable (/proc/PID/environ is not its user's)";
	/* Under fs.suid_dumpable=1 the dump mode is 1 for such a program too. */
	if (auxv_is_secure(v))
		return "the program gained rights when it was started (AT_SECURE)";
	return NULL;
}

/*
 * Reads all that is to be known, in the victim's time: its rights first.  Nothing here fails: what
 * could not be read is missing, and then the core goes to root only, or is not handed over.
 * with_plan: it may be handed over.
 */
void victim_snapshot(struct victim *v, const struct arguments *a, bool with_plan)
{
	read_files(v);
	if (!v->has_status) {
		v->root_only = "/proc/PID/status could not be read";
		return;
	}
	v->root_only = find_root_only(v, a);
	if (!v->root_only && with_plan)
		victim_plan_make(v);
	if (!v->root_only && victim_check_alive(v) < 0)
		v->root_only = "the process went away while it was looked at";
}
