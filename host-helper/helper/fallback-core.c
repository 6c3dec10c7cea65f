// SPDX-License-Identifier: MIT
/*
 * The core as a file in the container's own /tmp, where nothing else could be done with it.
 *
 * Runs with the victim's rights in the victim's root directory.  The place is one where others may
 * write: the file must be new, and no link, FIFO or file that stands there already is touched.
 */
#include "fallback-core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define BLOCK_BYTES 4096UL
#define COPY_BYTES  (64 * BLOCK_BYTES)

static int write_sparse(int fd, const char *buf, size_t len, off_t offset)
{
	static const char zeros[BLOCK_BYTES];

	for (size_t i = 0; i < len; i += BLOCK_BYTES) {
		size_t n = len - i < BLOCK_BYTES ? len - i : BLOCK_BYTES;

		if (memcmp(buf + i, zeros, n) == 0)
			continue;
		if (lseek(fd, offset + (off_t)i, SEEK_SET) < 0)
			return -errno;
		int r = fd_write_all(fd, buf + i, n);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Copies core_fd to its end into the new file path (0600), zeros as holes.  0 or -errno (-EEXIST:
 * something is there), and then no part of it is left.
 */
int fallback_core_write(int core_fd, const char *path)
{
	cleanup_free char *buf = malloc(COPY_BYTES);
	off_t size = 0;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	cleanup_fd int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (r == 0) {
		ssize_t n = fd_read_fill(core_fd, buf, COPY_BYTES);

		if (n <= 0) {
			r = (int)n;
			break;
		}
		r = write_sparse(fd, buf, (size_t)n, size);
		size += n;
	}
	if (r == 0 && ftruncate(fd, size) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(path);
	return r;
}
