// SPDX-License-Identifier: MIT
/*
 * The raw spool, compressed after the victim's release, and put in its place.
 *
 * The bytes are the victim's memory: compressed, not looked at.  Readers take either file; the
 * record names the one that stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "fd.h"
#include "seekable-format.h"
#include "seekable.h"

#define COMPRESS_LEVEL 1
#define COMPRESS_NAME  ".core.zst.new"

/* Where the next byte is that is not of a hole: an offset, or `size`. */
static uint64_t next_data(int fd, uint64_t offset, uint64_t size)
{
	off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? size
				      : offset; /* a file system without holes: all is data */
	return (uint64_t)data < size ? (uint64_t)data : size;
}

static int compress_file(int spool, uint64_t size, struct seekable_writer *writer,
			 capture_tick_fn tick, void *tick_context)
{
	cleanup_free char *buf = malloc(SEEKABLE_FRAME_BYTES);
	uint64_t offset = 0;

	if (!buf)
		return -ENOMEM;
	while (offset < size) {
		uint64_t data = next_data(spool, offset, size);
		/* Whole frames of nothing; the one in which data starts is read as it is. */
		uint64_t hole = data == size ? size - offset
					     : (data - offset) / SEEKABLE_FRAME_BYTES *
						       SEEKABLE_FRAME_BYTES;
		int r;

		tick(tick_context);
		if (hole > 0) {
			r = seekable_writer_add_zeros(writer, hole);
			offset += hole;
		} else {
			uint64_t left = size - offset;
			size_t len =
				left < SEEKABLE_FRAME_BYTES ? (size_t)left : SEEKABLE_FRAME_BYTES;

			r = fd_pread_all(spool, buf, len, offset);
			if (r == 0)
				r = seekable_writer_add(writer, buf, len);
			offset += len;
		}
		if (r < 0)
			return r;
	}
	return seekable_writer_finish(writer);
}

/*
 * Makes core.zst of core, for the same readers, and says so in the record; the caller writes the
 * record and then removes core.  0: nothing to do, too; -errno: core stays.
 */
int capture_compress(int dirfd, struct crash *crash, capture_tick_fn tick, void *tick_context)
{
	struct seekable_writer *writer = NULL;
	struct stat st = { 0 };

	if (!crash->core_file || strcmp(crash->core_file, CRASH_CORE_RAW_NAME) != 0)
		return 0;
	cleanup_fd int spool =
		openat(dirfd, CRASH_CORE_RAW_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_fd int fd = openat(dirfd, COMPRESS_NAME,
				   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	int r = spool < 0 || fd < 0 || fstat(spool, &st) < 0 ? -errno : 0;
	if (r == 0)
		r = seekable_writer_new(fd, COMPRESS_LEVEL, &writer);
	if (r == 0)
		r = compress_file(spool, crash->core_size, writer, tick, tick_context);
	if (r == 0 &&
	    (fchown(fd, (uid_t)-1, st.st_gid) < 0 || fchmod(fd, st.st_mode & 0777) < 0 ||
	     fdatasync(fd) < 0 || renameat(dirfd, COMPRESS_NAME, dirfd, CRASH_CORE_ZST_NAME) < 0))
		r = -errno;
	if (r == 0) {
		crash->stored_size = seekable_writer_stored_size(writer);
		r = crash_set_string(&crash->core_file, CRASH_CORE_ZST_NAME);
	} else if (fd >= 0) {
		(void)unlinkat(dirfd, COMPRESS_NAME, 0);
	}
	seekable_writer_free(&writer);
	return r;
}
