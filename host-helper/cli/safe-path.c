// SPDX-License-Identifier: MIT
/*
 * Whether a path is root's all the way up, so that nobody else can put something else in its place.
 *
 * core_pattern is where containers and users escape to: what is named there runs as root for every
 * crash.  The path is the operator's argument, what lies on it may be anyone's.  The answer must
 * never be for a name that leads elsewhere: links are resolved first, and the real path is what is
 * used.
 */
#include "safe-path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

static int refuse(char error[SAFE_PATH_ERROR_SIZE], const char *path, const char *why)
{
	snprintf(error, SAFE_PATH_ERROR_SIZE, "%.200s: refused: %s", path, why);
	return -EPERM;
}

static bool is_trusted_owner(uid_t uid, enum safe_path_kind kind)
{
	return uid == 0 || (kind != SAFE_PATH_PROGRAM && uid == geteuid());
}

static int check_mode(const char *path, const struct stat *st, enum safe_path_kind kind,
		      bool may_be_sticky, char error[SAFE_PATH_ERROR_SIZE])
{
	char why[200];

	if (!is_trusted_owner(st->st_uid, kind)) {
		snprintf(why, sizeof(why),
			 "it belongs to uid %u, not to root: chown it, or use one that is root's",
			 st->st_uid);
		return refuse(error, path, why);
	}
	if ((st->st_mode & 022) == 0)
		return 0;
	/* In a sticky directory nobody can replace what is root's, but anyone can make a name that
	   is free: good enough for data that is checked when it is read, not for a program. */
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
	if (sticky && may_be_sticky)
		return 0;
	snprintf(why, sizeof(why), "others can write it (mode %04o%s): %s", st->st_mode & 07777,
		 sticky ? ", and the sticky bit is not enough here" : "",
		 sticky ? "use a directory that only root can write" : "chmod go-w it");
	return refuse(error, path, why);
}

static int check_object(const char *real, enum safe_path_kind kind,
			char error[SAFE_PATH_ERROR_SIZE])
{
	struct stat st;

	if (lstat(real, &st) < 0) {
		int r = -errno;

		snprintf(error, SAFE_PATH_ERROR_SIZE, "%.200s: %s", real, strerror(-r));
		return r;
	}
	if (kind == SAFE_PATH_DIRECTORY ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return refuse(error, real,
			      kind == SAFE_PATH_DIRECTORY ? "it is not a directory"
							  : "it is not a regular file");
	/* access(2) knows of file systems that are mounted noexec, but lets root run anything. */
	if (kind == SAFE_PATH_PROGRAM &&
	    ((st.st_mode & 0111) == 0 || faccessat(AT_FDCWD, real, X_OK, AT_EACCESS) < 0))
		return refuse(error, real, "it is not executable: chmod +x it");
	/* What is kept in a sticky directory itself would stand beside what others put there. */
	return check_mode(real, &st, kind, false, error);
}

static int check_parents(const char *real, enum safe_path_kind kind,
			 char error[SAFE_PATH_ERROR_SIZE])
{
	cleanup_free char *parent = strdup(real);
	struct stat st;

	if (!parent)
		return -ENOMEM;
	for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
		*slash = '\0';
		const char *path = *parent ? parent : "/";

		int r = lstat(path, &st) < 0
				? -errno
				: check_mode(path, &st, kind, kind != SAFE_PATH_PROGRAM, error);
		if (r < 0 && r != -EPERM)
			snprintf(error, SAFE_PATH_ERROR_SIZE, "%.200s: %s", path, strerror(-r));
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Checks what the path really leads to, and each directory above that.  0, and the real path in
 * *ret_real (free it; may be NULL); -EPERM: refused; -errno.  error tells which part, why, and what
 * to do.  See: realpath(3), path_resolution(7).
 */
int safe_path_check(const char *path, enum safe_path_kind kind, char **ret_real,
		    char error[SAFE_PATH_ERROR_SIZE])
{
	if (path[0] != '/' && kind == SAFE_PATH_PROGRAM) {
		snprintf(error, SAFE_PATH_ERROR_SIZE, "%.200s: refused: not an absolute path",
			 path);
		return -EPERM;
	}
	cleanup_free char *real = realpath(path, NULL);
	if (!real) {
		int r = -errno;

		snprintf(error, SAFE_PATH_ERROR_SIZE, "%.200s: %s", path, strerror(-r));
		return r;
	}
	int r = check_object(real, kind, error);
	if (r == 0)
		r = check_parents(real, kind, error);
	if (r == 0 && ret_real)
		*ret_real = ptr_steal(&real);
	return r;
}
