// SPDX-License-Identifier: MIT
/*
 * zoo: a file of a file system in user space, which may say of its files what it likes: inode 0,
 * as only anonymous memory has it otherwise.  Input: none.  The mount is seen by nobody else, and
 * its server, a child, dies with the victim.  See: fuse(4)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "zoo.h"

#define FILE_BYTES    (2 * MIB)
#define FILE_NODE     2
#define REQUEST_BYTES (1 << 18)
#define VALID_SECONDS 100

static union {
	struct fuse_in_header header;
	char bytes[REQUEST_BYTES];
} request;

static void reply(int fd, int error, const void *data, size_t len)
{
	struct fuse_out_header header = { .len = (uint32_t)(sizeof(header) + len),
					  .error = error,
					  .unique = request.header.unique };
	const struct iovec parts[] = { { &header, sizeof(header) },
				       { (void *)(uintptr_t)data, len } };

	if (writev(fd, parts, 2) < 0 && errno != ENOENT)
		zoo_fail("the reply of the file system");
}

static struct fuse_attr attributes(uint64_t node)
{
	return node == FILE_NODE ? (struct fuse_attr){ .size = FILE_BYTES,
						       .mode = S_IFREG | 0600,
						       .nlink = 1 }
				 : (struct fuse_attr){ .mode = S_IFDIR | 0700, .nlink = 2 };
}

static void answer(int fd)
{
	static char page[REQUEST_BYTES];
	const struct fuse_read_in *read_in = (const void *)(&request.header + 1);
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = 31,
				      .max_write = PAGE };
	struct fuse_attr_out attr = { .attr_valid = VALID_SECONDS };
	struct fuse_entry_out entry = { .nodeid = FILE_NODE, .attr_valid = VALID_SECONDS };
	struct fuse_open_out open = { .open_flags = FOPEN_KEEP_CACHE };

	switch (request.header.opcode) {
	case FUSE_INIT:
		reply(fd, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		entry.attr = attributes(FILE_NODE);
		reply(fd, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		attr.attr = attributes(request.header.nodeid);
		reply(fd, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(fd, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		memset(page, 'f', sizeof(page));
		reply(fd, 0, page, read_in->size < sizeof(page) ? read_in->size : sizeof(page));
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(fd, -ENOSYS, NULL, 0);
	}
}

static void serve(int fd)
{
	pid_t pid = fork();

	zoo_check(pid >= 0, "fork");
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, &request, sizeof(request)) > 0)
		answer(fd);
	_exit(0);
}

/* One page is ours, the others are the file's, and not in the page tables. */
static void build_fuse(void)
{
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0 || unshare(CLONE_NEWNS) < 0)
		zoo_lacks("/dev/fuse");
	zoo_check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "MS_PRIVATE");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (mount("zoo", "/mnt", "fuse", MS_NODEV | MS_NOSUID, options) < 0)
		zoo_lacks("mount");
	serve(fd);
	int file = open("/mnt/file", O_RDONLY | O_CLOEXEC);
	zoo_check(file >= 0, "/mnt/file");
	zoo_fill(zoo_map(FILE_BYTES, MAP_PRIVATE, file), PAGE);
}

const struct zoo_case zoo_fuse_cases[] = {
	{ "fuse", build_fuse, ZOO_FILTER_KEEP, true, "fuse" },
	{ 0 },
};
