// SPDX-License-Identifier: MIT
/*
 * Descriptors and memory that clean up after themselves, and reading and writing of whole files.
 *
 * File contents may come from anyone: every read here is bounded by its caller.
 */
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Closes *fd if it is open, and leaves -1 in it. */
void fd_close(int *fd)
{
	fd_close_pointer(fd);
	*fd = -1;
}

/* Writes all of len bytes, however often write(2) takes a part only. 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Reads exactly len bytes at offset: 0, -ENODATA where the file ends before, or -errno. */
int fd_pread_all(int fd, void *buf, size_t len, uint64_t offset)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)offset);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			return -ENODATA;
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Reads until buf is full or the stream ends. Returns the bytes read (less than len: end), or
 * -errno. */
ssize_t fd_read_fill(int fd, void *buf, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)buf + have, len - have);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/*
 * Reads what fd still holds, at most max bytes (the rest is left unread).
 * *ret_data is NUL-terminated behind its *ret_len bytes; the caller frees it.  0 or -errno.
 */
int fd_read_some(int fd, size_t max, char **ret_data, size_t *ret_len)
{
	size_t size = max < 4096 ? max : 4096, have = 0;
	cleanup_free char *buf = malloc(size + 1);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = fd_read_fill(fd, buf + have, size - have);

		if (n < 0)
			return (int)n;
		have += (size_t)n;
		if (have < size || size == max)
			break;

		size = size > max / 2 ? max : size * 2;
		char *bigger = realloc(buf, size + 1);
		if (!bigger)
			return -ENOMEM;
		buf = bigger;
	}
	buf[have] = '\0';
	*ret_data = ptr_steal(&buf);
	*ret_len = have;
	return 0;
}

/*
 * Reads a file of at most max bytes whole.  Only regular files (and /proc's, which are) are read:
 * a FIFO, a device or a socket in the place of the file gives -EINVAL and never blocks.
 * *ret_data is NUL-terminated; the caller frees it.  -EFBIG where the file is longer, else -errno.
 */
int file_read_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len)
{
	cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *data = NULL;
	struct stat st;
	size_t len = 0;
	char extra;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;

	int r = fd_read_some(fd, max, &data, &len);
	if (r < 0)
		return r;
	ssize_t n = len < max ? 0 : fd_read_fill(fd, &extra, 1);
	if (n < 0)
		return (int)n;
	if (n > 0)
		return -EFBIG;

	*ret_data = ptr_steal(&data);
	*ret_len = len;
	return 0;
}

/* Creates the new file `name` below dirfd (-EEXIST where there is one) and fills it. 0 or -errno.
 */
int file_create_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	cleanup_fd int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	/* The mode is what the caller says, whatever the umask. */
	int r = fchmod(fd, mode) < 0 ? -errno : fd_write_all(fd, data, len);
	if (r < 0)
		(void)unlinkat(dirfd, name, 0); /* no part of it is left */
	return r;
}

/*
 * Puts a file in the place of `name` below dirfd by one rename: a reader sees the old or the new
 * one whole.  gid: who may read it besides us by the mode's group bits, or -1: our own group. dirfd
 * must be a directory that only we can write.  0 or -errno, and then the old one is still there.
 */
int file_replace_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    gid_t gid)
{
	char tmp[NAME_MAX];

	if (snprintf(tmp, sizeof(tmp), ".%s.new", name) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return -errno;

	int r = file_create_at(dirfd, tmp, data, len, mode);
	if (r == 0 && gid != (gid_t)-1 &&
	    fchownat(dirfd, tmp, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r;
}
