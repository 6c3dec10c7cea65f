// SPDX-License-Identifier: MIT
/*
 * A stored core as its raw bytes, whichever form it is stored in (raw, or seekable zstd).
 *
 * The core's bytes are the victim's: they are passed on, never interpreted here.
 */
#include "core-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash.h"
#include "fd.h"
#include "seekable.h"

struct core_reader {
	int dirfd; /* keeps the crash's lock, if dirfd has it */
	int fd;
	struct seekable_reader *zst; /* NULL: stored raw */
	uint64_t size;
};

/*
 * Opens the core `name` ("core" or "core.zst") of the crash directory dirfd.  If that holds the
 * crash's lock (store_open_crash()), so does the reader, until it is freed.
 * -ENOENT: there is none; -EACCES: not for us; -EBADMSG: damaged; -EINVAL: another name; -errno.
 */
int core_reader_open_at(int dirfd, const char *name, struct core_reader **ret_reader)
{
	bool zst = strcmp(name, CRASH_CORE_ZST_NAME) == 0;
	struct stat st;

	if (!zst && strcmp(name, CRASH_CORE_RAW_NAME) != 0)
		return -EINVAL;
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !zst) {
		/* Compressed since the record was read. */
		zst = true;
		fd = openat(dirfd, CRASH_CORE_ZST_NAME,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;

	cleanup_core_reader struct core_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->fd = fd_steal(&fd);
	r->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (r->dirfd < 0)
		return -errno;
	r->size = (uint64_t)st.st_size;
	if (zst) {
		int e = seekable_reader_new(r->fd, &r->zst);

		if (e < 0)
			return e;
		r->size = seekable_reader_size(r->zst);
	}
	*ret_reader = ptr_steal(&r);
	return 0;
}

/* Frees the reader and closes its file. */
void core_reader_free(struct core_reader **reader)
{
	if (*reader) {
		seekable_reader_free(&(*reader)->zst);
		fd_close(&(*reader)->fd);
		fd_close(&(*reader)->dirfd);
		free(*reader);
	}
	*reader = NULL;
}

/* Bytes of the raw core. */
uint64_t core_reader_size(const struct core_reader *r)
{
	return r->size;
}

/* The stored file, for who wants it as it is; it stays the reader's. */
int core_reader_fd(const struct core_reader *r)
{
	return r->fd;
}

/* Reads up to len bytes of the raw core at offset, as pread(2). -EBADMSG: damaged; -errno. */
ssize_t core_reader_pread(struct core_reader *r, void *buf, size_t len, uint64_t offset)
{
	if (r->zst)
		return seekable_reader_pread(r->zst, buf, len, offset);
	for (;;) {
		ssize_t n = pread(r->fd, buf, len, (off_t)offset);

		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}
