// SPDX-License-Identifier: MIT
/*
 * The store's own directory, for register and unregister: made, checked, and locked.
 *
 * registration.json is kept in it and decides what is written into the kernel's settings, so a
 * directory in which anybody else could make a file is refused, and the lock is nobody else's to
 * hold.
 */
#include "store-directory.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "removal.h"
#include "safe-path.h"
#include "store.h"

#define LOCK_NAME     ".registration.lock"
#define LOCK_WAIT_MS  10000
#define LOCK_RETRY_MS 50
#define READER_GROUP  "coreferry"

static int give_to_readers(const char *path, const struct store *store)
{
	const struct group *group = geteuid() == 0 ? getgrnam(READER_GROUP) : NULL;

	if (!group || group->gr_gid == store->gid)
		return EX_OK;
	if (fchown(store->crashes_fd, (uid_t)-1, group->gr_gid) == 0)
		return EX_OK;
	log_error("%s/crashes: cannot be given to the group " READER_GROUP ": %s", path,
		  strerror(errno));
	return EX_CANTCREAT;
}

static int make_store(const char *path)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	int r = store_open(path, true, &store);

	if (r == 0) {
		int code = give_to_readers(path, &store);

		/* Without it nothing can be removed over HTTP, and that is told then. */
		(void)removal_prepare(&store);
		return code;
	}
	if (r == -EPERM && geteuid() == 0)
		log_error("%s: refused: it or its folder crashes belongs to somebody else, or "
			  "others can write it: chown root and chmod go-w both, or name another "
			  "store with --store",
			  path);
	else
		log_error("the store %s cannot be made: %s%s", path, strerror(-r),
			  r == -ENOENT			? "; make the directory above it first"
			  : r == -EACCES || r == -EPERM ? "; run this as root"
							: "");
	return r == -EACCES || r == -EPERM ? EX_NOPERM : EX_CANTCREAT;
}

static int take_lock(const char *path, int dirfd, int *ret_fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };
	cleanup_fd int fd = openat(dirfd, LOCK_NAME,
				   O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0) {
		int e = errno;

		log_error("%s/" LOCK_NAME ": %s%s", path, strerror(e),
			  e == EACCES ? "; run this as root" : "");
		return e == EACCES ? EX_NOPERM : EX_CANTCREAT;
	}
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_RETRY_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			log_error("%s/" LOCK_NAME ": cannot be locked: %s", path, strerror(errno));
			return EX_OSERR;
		}
		if (waited >= LOCK_WAIT_MS) {
			log_error("%s/" LOCK_NAME ": another coreferry holds it; try again later",
				  path);
			return EX_TEMPFAIL;
		}
		nanosleep(&pause, NULL);
	}
	*ret_fd = fd_steal(&fd);
	return EX_OK;
}

/*
 * Opens the store's directory and takes its lock (waits up to 10 s for another run).  `create`:
 * makes the store where it is missing, and gives DIR/crashes to the group coreferry if there is
 * one; else a missing store is fine: then fd is -1.  Tells what went wrong; returns a sysexits(3)
 * code.
 */
int store_directory_open(const char *path, bool create, struct store_directory *ret_directory)
{
	char error[SAFE_PATH_ERROR_SIZE];
	cleanup_free char *real = NULL;
	int code = create ? make_store(path) : EX_OK;

	if (code != EX_OK)
		return code;
	int r = safe_path_check(path, SAFE_PATH_DIRECTORY, &real, error);
	if (r == -ENOENT && !create) {
		*ret_directory = (struct store_directory){ .fd = -1, .lock_fd = -1 };
		return EX_OK;
	}
	if (r < 0) {
		log_error("the store: %s", error);
		return r == -EPERM || r == -EACCES ? EX_NOPERM : EX_IOERR;
	}
	cleanup_fd int fd = open(real, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		log_error("the store %s: %s", real, strerror(errno));
		return EX_IOERR;
	}
	int lock_fd;
	code = take_lock(path, fd, &lock_fd);
	if (code != EX_OK)
		return code;
	*ret_directory = (struct store_directory){ .fd = fd_steal(&fd), .lock_fd = lock_fd };
	return EX_OK;
}

/* Closes it, and gives the lock back. */
void store_directory_close(struct store_directory *directory)
{
	fd_close(&directory->fd);
	fd_close(&directory->lock_fd);
}
