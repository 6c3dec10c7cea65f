// SPDX-License-Identifier: MIT
/*
 * The files of one crash's directory, as those see them who remove it.
 *
 * Only root makes files there, and no name is the victim's.  What is no file is left alone.
 */
#include "crash-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash.h"

#define BLOCK_BYTES 512U /* what st_blocks counts, whatever the file system. See: stat(3type) */

/* Many directories are looked at: getdents64(2) into one buffer costs half of what readdir(3) does.
 */
#define NAMES_BYTES 4096

typedef int (*name_fn)(void *context, int dirfd, const char *name);

static int for_each_name(int dirfd, name_fn fn, void *context)
{
	_Alignas(struct dirent64) char buf[NAMES_BYTES];
	ssize_t len;

	if (lseek(dirfd, 0, SEEK_SET) < 0)
		return -errno;
	while ((len = getdents64(dirfd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < len;) {
			const struct dirent64 *entry = (const struct dirent64 *)(buf + at);
			const char *name = entry->d_name;

			at += entry->d_reclen;
			if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
				continue;
			int r = fn(context, dirfd, name);
			if (r < 0)
				return r;
		}
	return len < 0 ? -errno : 0;
}

static int look_at(void *context, int dirfd, const char *name)
{
	struct crash_files *files = context;
	struct stat st;

	/* It may have been renamed or removed just now. */
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	uint64_t bytes = (uint64_t)st.st_blocks * BLOCK_BYTES;
	bool raw = strcmp(name, CRASH_CORE_RAW_NAME) == 0;
	bool zst = strcmp(name, CRASH_CORE_ZST_NAME) == 0;

	files->count++;
	files->bytes += bytes;
	files->core_bytes += raw || zst ? bytes : 0;
	files->has_raw = files->has_raw || raw;
	files->has_zst = files->has_zst || zst;
	files->has_temporary = files->has_temporary || name[0] == '.';
	return 0;
}

/* What there is (dirfd's position in the directory is moved). 0 or -errno. */
int crash_files_look(int dirfd, struct crash_files *ret_files)
{
	struct crash_files files = { 0 };
	int r = for_each_name(dirfd, look_at, &files);

	if (r == 0)
		*ret_files = files;
	return r;
}

static int remove_one(void *context, int dirfd, const char *name)
{
	const enum crash_files_which *which = context;

	if (*which == CRASH_FILES_TEMPORARY && name[0] != '.')
		return 0;
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Removes the files that were not finished, or all; the crash's lock must be held exclusively. */
int crash_files_remove(int dirfd, enum crash_files_which which)
{
	return for_each_name(dirfd, remove_one, &which);
}
