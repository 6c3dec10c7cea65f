// SPDX-License-Identifier: MIT
/*
 * The directory of --receive, and those below it.
 *
 * Names of directories come from the tokens' file, those of crashes are checked ids: nothing that
 * an upload says names anything here.
 */
#include "receive-directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

/*
 * Opens the directory to receive into, and takes it for this process.  -EWOULDBLOCK: another server
 * receives into it; -EPERM: anybody could put things into it; -errno.
 */
int receive_open(const char *path, struct store *ret_received)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return -EPERM;
	/* Held as long as we live: what another server receives now must not look like left over.
	 */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	ret_received->dir_fd = -1;
	ret_received->gid = st.st_gid;
	ret_received->crashes_fd = fd_steal(&fd);
	return 0;
}

/* Opens one below it, which is made if it is missing; "" is itself.  store_close() it. */
int receive_directory_open(const struct store *received, const char *name,
			   struct store *ret_directory)
{
	const char *path = *name ? name : ".";

	if (*name && mkdirat(received->crashes_fd, name, 0750) < 0 && errno != EEXIST)
		return -errno;
	int fd =
		openat(received->crashes_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_directory = (struct store){ .dir_fd = -1, .crashes_fd = fd, .gid = received->gid };
	return 0;
}

/* Removes .ID.partial and what we may have put into it. */
void receive_discard(const struct store *directory, const char *id)
{
	static const char *const files[] = { CRASH_CORE_RAW_NAME, CRASH_JSON_NAME,
					     "." CRASH_JSON_NAME ".new" };
	cleanup_fd int dirfd = -1;
	char name[CRASH_ID_SIZE + sizeof("..partial")];

	if (store_open_partial(directory, id, &dirfd) < 0)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		(void)unlinkat(dirfd, files[i], 0);
	snprintf(name, sizeof(name), ".%s.partial", id);
	if (unlinkat(directory->crashes_fd, name, AT_REMOVEDIR) < 0)
		log_warning("%s of the received cores cannot be removed: %s", name,
			    strerror(errno));
}

/* Calls fn for the directory of --receive, and for each below it that is no crash. 0 or -errno. */
int receive_directory_for_each(const struct store *received, receive_directory_fn fn, void *context)
{
	int fd = openat(received->crashes_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		int r = -errno;

		fd_close(&fd);
		return r;
	}
	fn(context, "", received);
	while ((entry = readdir(dir))) {
		cleanup_store struct store directory = { .crashes_fd = -1 };

		if (entry->d_name[0] == '.' || crash_id_is_valid(entry->d_name))
			continue;
		/* Files and links that somebody put there are not ours. */
		directory.crashes_fd = openat(received->crashes_fd, entry->d_name,
					      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		directory.dir_fd = -1;
		if (directory.crashes_fd >= 0)
			fn(context, entry->d_name, &directory);
	}
	closedir(dir);
	return 0;
}

static void discard_left_over(void *context, const char *name, const struct store *directory)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;
	int *result = context;
	int r = store_list_partial(directory, &ids, &count);

	(void)name;
	for (size_t i = 0; i < count; i++)
		receive_discard(directory, ids[i]);
	if (r < 0 && *result == 0)
		*result = r;
}

/*
 * Checks that we, as we are now, can write there, removes what a server that was killed left over,
 * and opens the place of uploads over several requests, which stay.  0 or -errno.
 */
int receive_prepare(const struct store *received, int *ret_uploads_fd)
{
	int result = 0;

	if (faccessat(received->crashes_fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	int r = receive_directory_for_each(received, discard_left_over, &result);
	if (r < 0 || result < 0)
		return r < 0 ? r : result;
	if (mkdirat(received->crashes_fd, RECEIVE_UPLOADS_NAME, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret_uploads_fd = openat(received->crashes_fd, RECEIVE_UPLOADS_NAME,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_uploads_fd < 0 ? -errno : 0;
}
