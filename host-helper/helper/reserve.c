// SPDX-License-Identifier: MIT
/*
 * Room that is set aside for records.
 *
 * STORE/reserve holds some files that stand for nothing but their blocks and inodes.  Where a crash
 * finds no room for its directory or its record, it removes one and tries again; with room again
 * they are put back.
 */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define DIRECTORY "reserve"
#define FILES	  16U
#define BYTES	  (64 << 10) /* a directory, a record, its copy while it is replaced */
#define ENOUGH \
	(32ULL << 20) /* on a smaller disk, or one that is nearly full, it would be in the way */

/* -ENOTDIR, -ELOOP: something else is there. */
static int open_directory(int storefd, bool create, int *ret_fd)
{
	if (create && mkdirat(storefd, DIRECTORY, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret_fd = openat(storefd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static void name_file(unsigned i, char name[16])
{
	snprintf(name, 16, "%u", i);
}

/* Sets room aside where there is plenty, if it is not yet; free_bytes: of the store's disk. */
void reserve_keep(int storefd, uint64_t free_bytes)
{
	cleanup_fd int dirfd = -1;
	char name[16];

	/* They are taken from the last one on. */
	name_file(FILES - 1, name);
	if (free_bytes < ENOUGH || open_directory(storefd, true, &dirfd) < 0 ||
	    faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	for (unsigned i = 0; i < FILES; i++) {
		name_file(i, name);
		cleanup_fd int fd = openat(
			dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return;
		if (fallocate(fd, 0, 0, BYTES) < 0) {
			(void)unlinkat(dirfd, name, 0);
			return;
		}
	}
}

/* Frees the room of one record.  False: there is none left. */
bool reserve_use(int storefd)
{
	cleanup_fd int dirfd = -1;
	char name[16];

	if (open_directory(storefd, false, &dirfd) < 0)
		return false;
	for (unsigned i = FILES; i > 0; i--) {
		name_file(i - 1, name);
		if (unlinkat(dirfd, name, 0) == 0)
			return true;
	}
	return false;
}
