// SPDX-License-Identifier: MIT
/*
 * Whether the container of a crashed process lives.
 *
 * The kernel's word only: /proc of the host is looked through for a process that is in the same pid
 * namespace, or where that is the host's, in the same mount namespace.
 */
#include "container-life.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "parse.h"

/* True if there is a process but `except` whose namespace of that kind is the one of ns_fd. */
static bool has_process(int ns_fd, enum enter_namespace ns, uint32_t except)
{
	struct stat theirs, st;
	const struct dirent *entry;
	char path[64];
	uint64_t pid;
	bool found = false;
	DIR *proc = fstat(ns_fd, &theirs) < 0 ? NULL : opendir("/proc");

	while (proc && !found && (entry = readdir(proc))) {
		if (parse_u64(entry->d_name, INT_MAX, &pid) < 0 || pid == except)
			continue;
		snprintf(path, sizeof(path), "%u/ns/%s", (unsigned)pid, enter_namespace_name(ns));
		found = fstatat(dirfd(proc), path, &st, 0) == 0 && st.st_ino == theirs.st_ino &&
			st.st_dev == theirs.st_dev;
	}
	if (proc)
		closedir(proc);
	return found;
}

/*
 * True while the victim is held, while another process is in its pid namespace (or, where that is
 * the host's, in its mount namespace), and always for a process of the host.  An agent of ours in
 * that mount namespace counts, too: it ends with its own push.
 */
bool container_lives(const struct victim *victim)
{
	const int32_t *fds = victim->plan.ns_fd;
	uint32_t pid = victim->status.tgid;

	if (victim->pipe_fd >= 0)
		return true;
	if (fds[ENTER_NS_PID] >= 0)
		return !victim->is_init && has_process(fds[ENTER_NS_PID], ENTER_NS_PID, pid);
	return fds[ENTER_NS_MNT] < 0 || has_process(fds[ENTER_NS_MNT], ENTER_NS_MNT, pid);
}
