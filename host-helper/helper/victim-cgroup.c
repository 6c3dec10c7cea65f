// SPDX-License-Identifier: MIT
/*
 * The victim's cgroups, pinned so that a child can join them: what bounds the container's memory,
 * CPU time and number of processes then bounds what we start for it.
 *
 * The names of inner cgroups may be the container's.  They are opened below the host's own mount
 * of the hierarchy, without links, and nothing is opened there but the kernel's own file.
 *
 * What is done where there is nothing to join:
 * - a hierarchy that is not mounted on the host, or read-only: nobody here can set limits in it
 *   either.  The rest is joined, and the record tells.
 * - a cgroup that is gone: its limits are, too.  No program of a container is started any more: it
 *   could get rid of its limits that way.  The agent, and the delegate of a process of the host,
 * are the host's own programs: they are started, and the record tells.
 * - a service of systemd's on the host: systemd kills what is left in its cgroup when the service's
 *   main process has crashed, and waits for it.  It is not joined, and the record tells.
 */
#include "victim-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgroup.h"
#include "container.h"
#include "fd.h"

#define MOUNTINFO_MAX (4U << 20)
#define CGROUP_MAX    (64U << 10)
#define RESOLVE	      (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

/* What is known of us, to compare. */
struct ours {
	char *mountinfo, *cgroup;
};

static void note(struct victim *v, const char *why, const struct cgroup_line *line)
{
	if (!v->note && asprintf(&v->note, "the cgroup%s%s was not joined: %s",
				 *line->controllers ? " of " : "", line->controllers, why) < 0)
		v->note = NULL;
}

/* The directory that the hierarchy is mounted on; -ENODEV: something else is mounted over it. */
static int open_mount(const struct cgroup_mount *mount, bool is_v2)
{
	struct statfs fs;
	cleanup_fd int dir = open(mount->directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0 || fstatfs(dir, &fs) < 0)
		return -errno;
	if (fs.f_type != (is_v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return -ENODEV;
	return fd_steal(&dir);
}

/* The file by which one process joins: for version 1 "tasks", which takes one thread and no lock
 * that all forks of the machine wait for. */
static int open_members(const struct cgroup_mount *mount, bool is_v2)
{
	char path[PATH_MAX + 16];
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW, .resolve = RESOLVE };
	cleanup_fd int dir = open_mount(mount, is_v2);

	if (dir < 0)
		return dir;
	snprintf(path, sizeof(path), "%s/%s", mount->path, is_v2 ? "cgroup.procs" : "tasks");
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

static int pin_line(struct victim *v, const struct ours *ours, const struct cgroup_line *line)
{
	struct cgroup_line own;
	struct cgroup_mount mount;

	if (cgroup_find_line(ours->cgroup, line->controllers, &own) &&
	    strcmp(own.path, line->path) == 0)
		return 0; /* we are there */
	int r = cgroup_find_mount(ours->mountinfo, line, &mount);
	if (r == -ENOENT) {
		note(v, "it is not mounted on the host", line);
		return 0;
	}
	if (r == 0 && v->plan.cgroup_count == ENTER_CGROUPS_MAX)
		r = -E2BIG;
	int fd = r < 0 ? r : open_members(&mount, line->controllers[0] == '\0');
	if (fd == -EROFS || fd == -ENODEV) {
		note(v, "its file system cannot be written on the host", line);
		return 0;
	}
	if (fd == -ENOENT && v->plan.cgroup_may_be_gone) {
		note(v, "it has been removed", line);
		return 0;
	}
	if (fd >= 0)
		v->plan.cgroup_fd[v->plan.cgroup_count++] = fd;
	return fd < 0 ? fd : 0;
}

/* No container, as far as anyone can tell: what the victim could choose makes it one. */
static bool is_of_the_host(const struct victim *v, const char *text)
{
	struct container container;

	container_from_cgroup(text, &container);
	return container.runtime[0] == '\0' && v->plan.ns_fd[ENTER_NS_USER] < 0 &&
	       v->plan.ns_fd[ENTER_NS_PID] < 0;
}

static bool has_service(const char *text, struct cgroup_line *ret_line)
{
	while (cgroup_next_line(&text, ret_line) > 0)
		if (cgroup_is_service(ret_line))
			return true;
	return false;
}

static int pin_lines(struct victim *v, const struct ours *ours, const char *text)
{
	struct cgroup_line line;
	int r;

	v->plan.cgroup_may_be_gone = is_of_the_host(v, text);
	if (v->plan.cgroup_may_be_gone && has_service(text, &line)) {
		note(v, "systemd would end what it finds there when the service has crashed",
		     &line);
		return 0;
	}
	while ((r = cgroup_next_line(&text, &line)) > 0) {
		r = pin_line(v, ours, &line);
		if (r < 0)
			return r;
	}
	return r;
}

/*
 * Opens what a child of ours has to write to, to be in the same cgroups, into the victim's plan
 * (whose namespaces are known); v->note tells which could not be had.  Reads the snapshot.  0; or
 * -errno: nothing may be handed over.
 */
int victim_cgroup_pin(struct victim *v)
{
	const char *text = v->files[VICTIM_CGROUP].data;
	cleanup_free char *mountinfo = NULL;
	cleanup_free char *cgroup = NULL;
	size_t len;

	if (!text)
		return -ESRCH;
	int r = file_read_at(AT_FDCWD, "/proc/self/cgroup", CGROUP_MAX, &cgroup, &len);
	if (r == -ENOENT)
		return 0; /* a kernel without cgroups */
	if (r == 0 && strcmp(text, cgroup) == 0)
		return 0; /* we are there, in all of them */
	if (r == 0)
		r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, &len);
	if (r < 0)
		return r;
	const struct ours ours = { .mountinfo = mountinfo, .cgroup = cgroup };

	return pin_lines(v, &ours, text);
}

/* The cgroup that an engine made for this one container, as opposed to one within it: the name of
 * its last part; NULL: it is none. */
static const char *container_leaf(const struct container *c, const char *path)
{
	const char *leaf = strrchr(path, '/') + 1;
	const char *name = *c->id ? c->id : c->name;

	return *c->runtime && *name && strstr(leaf, name) ? leaf : NULL;
}

static void remove_line(const struct ours *ours, const struct cgroup_line *line, const char *leaf)
{
	struct cgroup_mount mount;
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE };

	if (cgroup_find_mount(ours->mountinfo, line, &mount) < 0 || strcmp(mount.path, ".") == 0)
		return;
	char *slash = strrchr(mount.path, '/');
	if (slash)
		*slash = '\0';
	cleanup_fd int dir = open_mount(&mount, line->controllers[0] == '\0');
	cleanup_fd int parent = dir < 0 ? -1
					: (int)syscall(SYS_openat2, dir, slash ? mount.path : ".",
						       &how, sizeof(how));
	/* Not where anyone is in there: only an empty cgroup can be removed. */
	if (parent >= 0)
		(void)unlinkat(parent, leaf, AT_REMOVEDIR);
}

/*
 * When our child has ended: removes the cgroup of a container that has ended before it.  The engine
 * could not, because of our child, and does not try again.
 */
void victim_cgroup_tidy(const struct victim *v)
{
	const char *text = v->files[VICTIM_CGROUP].data;
	cleanup_free char *mountinfo = NULL;
	struct container container;
	struct cgroup_line line;
	size_t len;

	/* A victim that is held is still in there, and the container is the engine's to end. */
	if (v->plan.cgroup_count == 0 || v->pipe_fd >= 0 || !text ||
	    file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, &len) < 0)
		return;
	const struct ours ours = { .mountinfo = mountinfo, .cgroup = NULL };

	container_from_cgroup(text, &container);
	while (cgroup_next_line(&text, &line) > 0) {
		const char *leaf = container_leaf(&container, line.path);

		if (leaf)
			remove_line(&ours, &line, leaf);
	}
}
