// SPDX-License-Identifier: MIT
/*
 * Removing a crash for good, and asking root to do that.
 *
 * Whoever can write STORE/removals can have any crash removed, and nothing else: its files are
 * never opened, no link there is followed, and a name that is no crash's id is left alone.
 */
#include "removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash-files.h"
#include "fd.h"

#define HONOUR_MAX 20000 /* names looked at in one go: the directory is others' to fill */

static int open_requests(const struct store *store)
{
	int fd = store->dir_fd < 0 ? -1
				   : openat(store->dir_fd, REMOVAL_DIRECTORY,
					    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 || store->dir_fd < 0 ? fd : -errno;
}

/* Makes the directory of requests where it is missing, for the group that reads the store. */
int removal_prepare(const struct store *store)
{
	if (store->dir_fd < 0)
		return 0;
	if (mkdirat(store->dir_fd, REMOVAL_DIRECTORY, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	cleanup_fd int fd = open_requests(store);
	if (fd < 0)
		return fd;
	if (geteuid() == 0 && fchown(fd, (uid_t)-1, store->gid) < 0)
		return -errno;
	return fchmod(fd, 0770) < 0 ? -errno : 0;
}

/* Asks for the crash to be removed. -EINVAL: not an id; -EACCES: not for us; -errno. */
int removal_request(const struct store *store, const char *id)
{
	if (!crash_id_is_valid(id))
		return -EINVAL;
	cleanup_fd int dir = open_requests(store);
	if (dir < 0)
		return dir;
	cleanup_fd int fd = openat(
		dir, id, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : 0;
}

/* True if somebody asked for that, and it is not done yet. */
bool removal_is_requested(const struct store *store, const char *id)
{
	struct stat st;
	cleanup_fd int dir = crash_id_is_valid(id) ? open_requests(store) : -1;

	return dir >= 0 && fstatat(dir, id, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Removes what was asked for; for root.  What is being read or worked on waits for the next time.
 * Returns how many were removed.
 */
unsigned removal_honour(const struct store *store)
{
	int fd = open_requests(store);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned removed = 0, seen = 0;

	if (!dir) {
		fd_close(&fd);
		return 0;
	}
	while (seen++ < HONOUR_MAX && (entry = readdir(dir))) {
		if (!crash_id_is_valid(entry->d_name))
			continue;
		int r = removal_remove(store, entry->d_name);

		removed += r == 0;
		if (r == 0 || r == -ENOENT)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return removed;
}

/* Hides it from readers. -EBUSY: somebody reads it or works on it; -ENOENT: there is none; -errno.
 */
int removal_hide(const struct store *store, const char *id)
{
	cleanup_fd int dirfd = -1;
	int r = store_open_exclusive(store, id, STORE_PUBLISHED, &dirfd);

	return r < 0 ? r : store_begin_remove(store, id);
}

/* Finishes the removal of a crash that is hidden already. */
int removal_finish(const struct store *store, const char *id)
{
	cleanup_fd int dirfd = -1;
	int r = store_open_exclusive(store, id, STORE_REMOVED, &dirfd);

	if (r == 0)
		r = crash_files_remove(dirfd, CRASH_FILES_ALL);
	return r < 0 ? r : store_end_remove(store, id);
}

/*
 * Removes a crash with all its files.  0: nobody can see it any more (what could not be removed of
 * it is removed by housekeeping); -EBUSY, -ENOENT, -errno: nothing was done.
 */
int removal_remove(const struct store *store, const char *id)
{
	int r = removal_hide(store, id);

	if (r == 0)
		(void)removal_finish(store, id);
	return r;
}
