// SPDX-License-Identifier: MIT
/*
 * The store: DIR/crashes/ID/ holds one crash each.
 *
 * Only root writes here, below a directory descriptor that it opened once, and nothing is followed
 * or replaced that was there before.  Readers take a name from outside only if it is a crash's id.
 */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define PARTIAL_NAME_SIZE (CRASH_ID_SIZE + sizeof("..partial"))
#define PARTIAL_SUFFIX	  ".partial"

/* Makes a directory of exactly that mode; one that is there stays as it is. */
static int make_directory(int dirfd, const char *path, mode_t mode)
{
	if (mkdirat(dirfd, path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	/* The umask may have taken bits away.  Nobody else can write where we made it. */
	return fchmodat(dirfd, path, mode, 0) < 0 ? -errno : 0;
}

/*
 * Opens DIR/crashes; with `create` makes DIR (0755) and crashes (0750) where they are missing.
 * -EPERM: others could put things into it (then nothing is created there).  0 or -errno.
 */
int store_open(const char *path, bool create, struct store *ret_store)
{
	struct stat st;

	int r = create ? make_directory(AT_FDCWD, path, 0755) : 0;
	if (r < 0)
		return r;
	cleanup_fd int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = create ? make_directory(dir, "crashes", 0750) : 0;
	if (r < 0)
		return r;
	cleanup_fd int crashes =
		openat(dir, "crashes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (crashes < 0 || fstat(crashes, &st) < 0)
		return -errno;
	if (create && (st.st_uid != geteuid() || (st.st_mode & 022) != 0))
		return -EPERM;
	ret_store->crashes_fd = fd_steal(&crashes);
	ret_store->gid = st.st_gid;
	return 0;
}

/* Closes it. */
void store_close(struct store *store)
{
	fd_close(&store->crashes_fd);
}

static void partial_name(const char *id, char name[PARTIAL_NAME_SIZE])
{
	snprintf(name, PARTIAL_NAME_SIZE, ".%s" PARTIAL_SUFFIX, id);
}

/* Gives a file or directory of ours to the store's readers (0640, 0750), or to root alone. */
int store_own_file(const struct store *store, int fd, bool root_only)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode_t mode = S_ISDIR(st.st_mode) ? 0700 : 0600;
	if (!root_only) {
		/* Only root can give files away; a store of another user's stays that user's. */
		if (geteuid() == 0 && fchown(fd, (uid_t)-1, store->gid) < 0)
			return -errno;
		mode |= mode >> 3 & 050;
	}
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* Makes the directory in which a crash is built. -EEXIST: take another id. 0 or -errno. */
int store_begin(const struct store *store, const char *id, int *ret_dirfd)
{
	char name[PARTIAL_NAME_SIZE];

	partial_name(id, name);
	if (mkdirat(store->crashes_fd, name, 0700) < 0)
		return -errno;
	cleanup_fd int fd =
		openat(store->crashes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = store_own_file(store, fd, false);
	if (r < 0)
		return r;
	*ret_dirfd = fd_steal(&fd);
	return 0;
}

/* Shows the crash to readers, by one rename. 0 or -errno. */
int store_publish(const struct store *store, const char *id)
{
	char name[PARTIAL_NAME_SIZE];

	partial_name(id, name);
	if (renameat2(store->crashes_fd, name, store->crashes_fd, id, RENAME_NOREPLACE) < 0)
		return -errno;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(b, a);
}

/* True, and the id, for the name of a crash (or, if partial, of one that is being built). */
static bool name_to_id(const char *name, bool partial, char id[CRASH_ID_SIZE])
{
	size_t len = strlen(name);

	if (partial) {
		size_t suffix = strlen(PARTIAL_SUFFIX);

		if (name[0] != '.' || len <= suffix + 1 ||
		    strcmp(name + len - suffix, PARTIAL_SUFFIX) != 0)
			return false;
		name++;
		len -= suffix + 1;
	}
	if (len >= CRASH_ID_SIZE)
		return false;
	memcpy(id, name, len);
	id[len] = '\0';
	return crash_id_is_valid(id);
}

static int list(const struct store *store, bool partial, char (**ret_ids)[CRASH_ID_SIZE],
		size_t *ret_count)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0, space = 0;
	/* An own open file description: the position in the directory is not shared with others. */
	int fd = openat(store->crashes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir) {
		r = -errno;
		fd_close(&fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		char id[CRASH_ID_SIZE];

		if (!entry) {
			r = -errno;
			break;
		}
		if (!name_to_id(entry->d_name, partial, id))
			continue;
		if (count == space) {
			space = space ? space * 2 : 64;
			char(*bigger)[CRASH_ID_SIZE] = reallocarray(ids, space, CRASH_ID_SIZE);

			if (!bigger) {
				r = -ENOMEM;
				break;
			}
			ids = bigger;
		}
		memcpy(ids[count++], id, CRASH_ID_SIZE);
	}
	closedir(dir);
	if (r < 0)
		return r;
	if (count > 0)
		qsort(ids, count, CRASH_ID_SIZE, newest_first);
	*ret_ids = ptr_steal(&ids);
	*ret_count = count;
	return 0;
}

/* The ids of all published crashes, newest first (free *ret_ids; NULL where there are none). */
int store_list(const struct store *store, char (**ret_ids)[CRASH_ID_SIZE], size_t *ret_count)
{
	return list(store, false, ret_ids, ret_count);
}

/* The same for crashes that are being captured, or whose capture was cut off. */
int store_list_partial(const struct store *store, char (**ret_ids)[CRASH_ID_SIZE],
		       size_t *ret_count)
{
	return list(store, true, ret_ids, ret_count);
}

static int open_directory(const struct store *store, const char *name, int *ret_dirfd)
{
	int fd = openat(store->crashes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_dirfd = fd;
	return 0;
}

/* Opens the directory of a published crash. -EINVAL: not an id; -ENOENT: no such crash; -errno. */
int store_open_crash(const struct store *store, const char *id, int *ret_dirfd)
{
	return crash_id_is_valid(id) ? open_directory(store, id, ret_dirfd) : -EINVAL;
}

/* The same for one that is being captured. */
int store_open_partial(const struct store *store, const char *id, int *ret_dirfd)
{
	char name[PARTIAL_NAME_SIZE];

	if (!crash_id_is_valid(id))
		return -EINVAL;
	partial_name(id, name);
	return open_directory(store, name, ret_dirfd);
}

/* Reads crash.json of a crash's directory (crash_release() it). -EINVAL: damaged; -errno. */
int store_read_record(int dirfd, struct crash *ret_crash)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = file_read_at(dirfd, CRASH_JSON_NAME, CRASH_JSON_MAX, &text, &len);

	return r < 0 ? r : crash_from_json(text, len, ret_crash);
}

/* Writes crash.json, by one rename, for the store's readers. 0 or -errno, and then the old one
 * stays. */
int store_write_record(const struct store *store, int dirfd, const struct crash *crash)
{
	cleanup_free char *text = NULL;
	int r = crash_to_json(crash, &text);

	if (r < 0)
		return r;
	gid_t gid = geteuid() == 0 ? store->gid : (gid_t)-1;
	return file_replace_at(dirfd, CRASH_JSON_NAME, text, strlen(text), 0640, gid);
}
