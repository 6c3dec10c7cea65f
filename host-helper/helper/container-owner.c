// SPDX-License-Identifier: MIT
/*
 * Whose word a container's cgroup is.  A user of the host who was given a cgroup of his own may
 * make one in there that is named like any container's; only in a directory where nobody but root
 * can write is such a name true.
 *
 * The path is the kernel's word about the victim; it is looked up in the cgroup file systems, which
 * hold no links.
 */
#include "container-owner.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"

#define CGROUP_ROOT  "/sys/fs/cgroup"
#define OWNER_NOBODY 65534 /* not known: nobody's word */

/* Where the hierarchy is mounted, as every distribution does it.  See: file-hierarchy(7). */
static int open_hierarchy(const struct container *c)
{
	const char *name = c->hierarchy;
	char path[sizeof(CGROUP_ROOT) + sizeof(c->hierarchy)];
	struct statfs fs;

	if (strncmp(name, "name=", 5) == 0)
		name += 5;
	if (name[0] == '\0' && (statfs(CGROUP_ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC))
		name = "unified";
	snprintf(path, sizeof(path), "%s/%s", CGROUP_ROOT, name);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0 ||
	    (fs.f_type != CGROUP2_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC)) {
		close(fd);
		return -ENODEV;
	}
	return fd;
}

/*
 * The host's user who could have made the container's cgroup: 0, root, if nobody else could; 65534
 * where that is not known.
 */
uint32_t container_owner(const struct container *c)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS |
						 RESOLVE_NO_XDEV };
	cleanup_fd int root = c->parent[0] ? open_hierarchy(c) : -1;
	struct stat st;

	if (root < 0)
		return OWNER_NOBODY;
	cleanup_fd int fd = (int)syscall(SYS_openat2, root, c->parent, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return OWNER_NOBODY;
	return st.st_uid == 0 && (st.st_mode & 022) != 0 ? OWNER_NOBODY : st.st_uid;
}
