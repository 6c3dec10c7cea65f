// SPDX-License-Identifier: MIT
/*
 * A stored core, raw, into a pipe; and how much of it there is.
 *
 * In the confined process: the stored bytes were made of the victim's, and whoever took over the
 * process that made them chose them.  The pipe's other end is a program of the container, which may
 * read or not: the helper ends us when its time is over.
 */
#include "capture-unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "seekable.h"
#include "spool-source.h"

#define PIECE_BYTES FRAME_BYTES_MAX

static int write_zeros(int fd, char *buf, uint64_t len)
{
	int r = 0;

	memset(buf, 0, PIECE_BYTES);
	for (uint64_t left = len; left > 0 && r == 0;) {
		size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;

		r = fd_write_all(fd, buf, n);
		left -= n;
	}
	return r;
}

/* Holes are not read: that would fill the page cache with zeros. */
static int send_raw(int core_fd, int out_fd, char *buf)
{
	struct spool_source spool = { .fd = core_fd };
	int r = spool_source_init(&spool);
	const struct frame_source source = spool_source_frames(&spool);

	while (r == 0) {
		struct frame frame = { .data = buf };
		int more = source.next(source.context, &frame);

		if (more <= 0)
			return more;
		r = source.fill(source.context, &frame);
		if (r == 0)
			r = frame.zeros > 0 ? write_zeros(out_fd, buf, frame.zeros)
					    : fd_write_all(out_fd, buf, frame.len);
	}
	return r;
}

static int send_unpacked(int zst_fd, int out_fd, char *buf)
{
	struct seekable_reader *reader = NULL;
	uint64_t offset = 0;
	int r = seekable_reader_new(zst_fd, &reader);

	while (r == 0) {
		ssize_t n = seekable_reader_pread(reader, buf, PIECE_BYTES, offset);

		if (n <= 0) {
			r = (int)n;
			break;
		}
		offset += (uint64_t)n;
		r = fd_write_all(out_fd, buf, (size_t)n);
	}
	seekable_reader_free(&reader);
	return r;
}

/*
 * Writes the raw core of core_fd (raw) or zst_fd (seekable zstd), whichever is not -1, to out_fd.
 * SIGPIPE must be ignored.  0: all of it, or the reader wants no more; -EBADMSG: the file is
 * damaged; -errno.
 */
int capture_unpack(int core_fd, int zst_fd, int out_fd)
{
	cleanup_free char *buf = malloc(PIECE_BYTES);

	if (!buf)
		return -ENOMEM;
	int r = core_fd >= 0 ? send_raw(core_fd, out_fd, buf) : send_unpacked(zst_fd, out_fd, buf);
	return r == -EPIPE ? 0 : r;
}

/* What the table of a file in the seekable format says that it unpacks to.  0; -EBADMSG: there is
 * no table, or none that fits; -errno. */
int capture_measure(int zst_fd, uint64_t *ret_raw_size)
{
	struct seekable_reader *reader = NULL;
	int r = seekable_reader_new(zst_fd, &reader);

	if (r == 0)
		*ret_raw_size = seekable_reader_size(reader);
	seekable_reader_free(&reader);
	return r;
}
