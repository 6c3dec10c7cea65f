// SPDX-License-Identifier: MIT
/*
 * How much there is in the store: for status.
 *
 * The names are the store's own; what is in the files is not looked at.  Nothing is followed out of
 * the store.
 */
#include "store-usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fd.h"

#define BLOCK_BYTES 512 /* what st_blocks counts, whatever the file system. See: stat(3type) */

/* The disk space of the files of one crash; takes dirfd. */
static int add_crash_consume(int dirfd, uint64_t *bytes)
{
	DIR *dir = fdopendir(dirfd);
	const struct dirent *entry;
	struct stat st;

	if (!dir) {
		int r = -errno;

		fd_close(&dirfd);
		return r;
	}
	while ((entry = readdir(dir)))
		if (fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			*bytes += (uint64_t)st.st_blocks * BLOCK_BYTES;
	closedir(dir);
	return 0;
}

/* Counts the crashes and their bytes, and the space that is left. 0 or -errno. */
int store_usage_read(const struct store *store, struct store_usage *ret_usage)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL, (*partial)[CRASH_ID_SIZE] = NULL;
	struct store_usage usage = { 0 };
	struct statvfs vfs;

	int r = store_list(store, &ids, &usage.crashes);
	if (r == 0)
		r = store_list_partial(store, &partial, &usage.partial);
	if (r < 0)
		return r;
	for (size_t i = 0; i < usage.crashes; i++) {
		int dirfd;

		if (store_open_crash(store, ids[i], &dirfd) < 0 ||
		    add_crash_consume(dirfd, &usage.bytes) < 0)
			usage.unreadable++;
	}
	if (fstatvfs(store->crashes_fd, &vfs) < 0)
		return -errno;
	usage.free_bytes = (uint64_t)vfs.f_bfree * vfs.f_frsize;
	*ret_usage = usage;
	return 0;
}
