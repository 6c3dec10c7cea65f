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
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"

#define BEGIN_LOCK_NAME "begin.lock"

#define NAME_SIZE (CRASH_ID_SIZE + sizeof("..partial"))

/* Whoever removes something is done in less; a lock that is held for longer is not worth waiting
 * for. */
#define LOCK_TRIES    20
#define LOCK_PAUSE_NS 1000000L

static const char *const suffixes[] = {
	[STORE_PUBLISHED] = NULL,
	[STORE_PARTIAL] = ".partial",
	[STORE_REMOVED] = ".removed",
};

/* Makes a directory of exactly that mode; one that is there stays as it is. */
static int make_directory(int dirfd, const char *path, mode_t mode)
{
	if (mkdirat(dirfd, path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	/* The umask may have taken bits away.  Nobody else can write where we made it. */
	return fchmodat(dirfd, path, mode, 0) < 0 ? -errno : 0;
}

/* -EPERM: others could put things into it. */
static int check_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid != geteuid() || (st.st_mode & 022) != 0 ? -EPERM : 0;
}

/*
 * Opens DIR and DIR/crashes; with `create` makes DIR (0755) and crashes (0750) where they are
 * missing.  -EPERM: others could put things into one of them (then nothing is created there).  0 or
 * -errno.
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
	if (create)
		r = check_ours(dir);
	if (create && r == 0)
		r = make_directory(dir, "crashes", 0750);
	if (r < 0)
		return r;
	cleanup_fd int crashes =
		openat(dir, "crashes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (crashes < 0 || fstat(crashes, &st) < 0)
		return -errno;
	if (create && (r = check_ours(crashes)) < 0)
		return r;
	ret_store->dir_fd = fd_steal(&dir);
	ret_store->crashes_fd = fd_steal(&crashes);
	ret_store->gid = st.st_gid;
	return 0;
}

/* Closes it. { .crashes_fd = -1 } is one that is closed. */
void store_close(struct store *store)
{
	if (store->crashes_fd >= 0)
		fd_close(&store->dir_fd);
	fd_close(&store->crashes_fd);
}

static void make_name(const char *id, enum store_state state, char name[NAME_SIZE])
{
	if (state == STORE_PUBLISHED)
		snprintf(name, NAME_SIZE, "%s", id);
	else
		snprintf(name, NAME_SIZE, ".%s%s", id, suffixes[state]);
}

static int move(const struct store *store, const char *id, enum store_state from,
		enum store_state to)
{
	char from_name[NAME_SIZE], to_name[NAME_SIZE];

	make_name(id, from, from_name);
	make_name(id, to, to_name);
	if (renameat2(store->crashes_fd, from_name, store->crashes_fd, to_name, RENAME_NOREPLACE) <
	    0)
		return -errno;
	return 0;
}

static int open_directory(const struct store *store, const char *id, enum store_state state,
			  int *ret_dirfd)
{
	char name[NAME_SIZE];

	if (!crash_id_is_valid(id))
		return -EINVAL;
	make_name(id, state, name);
	int fd = openat(store->crashes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_dirfd = fd;
	return 0;
}

/* --- the lock --- */

/* -ENOENT: the directory is not there under its name any more. */
static int check_name(const struct store *store, const char *id, enum store_state state, int dirfd)
{
	char name[NAME_SIZE];
	struct stat by_name, by_fd;

	make_name(id, state, name);
	if (fstatat(store->crashes_fd, name, &by_name, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstat(dirfd, &by_fd) < 0)
		return -errno;
	return by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino ? 0 : -ENOENT;
}

/*
 * Makes sure that nothing is removed of a crash while this descriptor of its directory, or a copy
 * of it, is open.  0; -ENOENT: it is just being removed.  Where the file system has no locks it is
 * 0, too: nobody can take the exclusive one there.  See: flock(2).
 */
int store_lock_shared(int dirfd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(dirfd, LOCK_SH | LOCK_NB) == 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ENOENT;
}

/*
 * Keeps the moment apart in which a new directory has no lock yet: makers hold this one shared, who
 * looks for what was left over holds it exclusively.  A file of root's alone, so nobody else lets a
 * crash wait.  The descriptor, to be closed soon, or -errno.
 */
static int lock_beginnings(const struct store *store, int operation)
{
	cleanup_fd int fd = openat(store->dir_fd, BEGIN_LOCK_NAME,
				   O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, operation) < 0)
		if (errno != EINTR)
			return -errno;
	return fd_steal(&fd);
}

/*
 * Opens the directory of a crash that nobody works on or reads, and keeps it so while the
 * descriptor is open.  -EBUSY: somebody does; -ENOENT: there is none (any more); -EINVAL: not an
 * id; -errno.
 */
int store_open_exclusive(const struct store *store, const char *id, enum store_state state,
			 int *ret_dirfd)
{
	cleanup_fd int fd = -1, beginnings = -1;

	if (state == STORE_PARTIAL && (beginnings = lock_beginnings(store, LOCK_EX)) < 0)
		return beginnings;
	int r = open_directory(store, id, state, &fd);
	if (r < 0)
		return r;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* Another one may have published or removed it before we had the lock. */
	r = check_name(store, id, state, fd);
	if (r < 0)
		return r;
	*ret_dirfd = fd_steal(&fd);
	return 0;
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

/*
 * Makes the directory in which a crash is built, with the shared lock: who finds it without the
 * lock knows that its builder is dead.  -EEXIST: take another id.  0 or -errno.
 */
int store_begin(const struct store *store, const char *id, int *ret_dirfd)
{
	cleanup_fd int fd = -1;
	char name[NAME_SIZE];

	if (!crash_id_is_valid(id))
		return -EINVAL;
	make_name(id, STORE_PARTIAL, name);
	/* Without it (the disk is full) there is a moment in which it looks left over. */
	cleanup_fd int beginnings = lock_beginnings(store, LOCK_SH);
	if (mkdirat(store->crashes_fd, name, 0700) < 0)
		return -errno;
	int r = open_directory(store, id, STORE_PARTIAL, &fd);
	/* Nobody but root could open it yet, so nobody else lets us wait.  A file system without
	 * locks is no reason to lose a crash. */
	while (r == 0 && flock(fd, LOCK_SH) < 0 && errno == EINTR)
		;
	/* Whoever took it for left over has it now. */
	if (r == 0)
		r = check_name(store, id, STORE_PARTIAL, fd);
	if (r == -ENOENT)
		return -EEXIST;
	if (r == 0)
		r = store_own_file(store, fd, false);
	if (r < 0)
		return r;
	*ret_dirfd = fd_steal(&fd);
	return 0;
}

/* Shows the crash to readers, by one rename. 0 or -errno. */
int store_publish(const struct store *store, const char *id)
{
	return move(store, id, STORE_PARTIAL, STORE_PUBLISHED);
}

/* Hides a crash from readers, so that it can be removed; its lock must be held exclusively. */
int store_begin_remove(const struct store *store, const char *id)
{
	return move(store, id, STORE_PUBLISHED, STORE_REMOVED);
}

/* Removes the directory of a hidden crash, which must be empty. 0 or -errno. */
int store_end_remove(const struct store *store, const char *id)
{
	char name[NAME_SIZE];

	make_name(id, STORE_REMOVED, name);
	return unlinkat(store->crashes_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(b, a);
}

/* True, and the id, for the name of a crash in this state. */
static bool name_to_id(const char *name, enum store_state state, char id[CRASH_ID_SIZE])
{
	size_t len = strlen(name);

	if (state != STORE_PUBLISHED) {
		size_t suffix = strlen(suffixes[state]);

		if (name[0] != '.' || len <= suffix + 1 ||
		    strcmp(name + len - suffix, suffixes[state]) != 0)
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

/* The ids of all crashes in this state, newest first (free *ret_ids; NULL where there are none). */
int store_list_state(const struct store *store, enum store_state state,
		     char (**ret_ids)[CRASH_ID_SIZE], size_t *ret_count)
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
		if (!name_to_id(entry->d_name, state, id))
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
	return store_list_state(store, STORE_PUBLISHED, ret_ids, ret_count);
}

/* The same for crashes that are being captured, or whose capture was cut off. */
int store_list_partial(const struct store *store, char (**ret_ids)[CRASH_ID_SIZE],
		       size_t *ret_count)
{
	return store_list_state(store, STORE_PARTIAL, ret_ids, ret_count);
}

/*
 * Opens the directory of a published crash; nothing is removed of it while the descriptor is open.
 * -EINVAL: not an id; -ENOENT: no such crash, or it is just being removed; -errno.
 */
int store_open_crash(const struct store *store, const char *id, int *ret_dirfd)
{
	cleanup_fd int fd = -1;
	int r = open_directory(store, id, STORE_PUBLISHED, &fd);

	if (r == 0)
		r = store_lock_shared(fd);
	if (r == 0)
		r = check_name(store, id, STORE_PUBLISHED, fd);
	if (r < 0)
		return r;
	*ret_dirfd = fd_steal(&fd);
	return 0;
}

/* Opens the directory of one that is being captured, or was left over; without its lock. */
int store_open_partial(const struct store *store, const char *id, int *ret_dirfd)
{
	return open_directory(store, id, STORE_PARTIAL, ret_dirfd);
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
