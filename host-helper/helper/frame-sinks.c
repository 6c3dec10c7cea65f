// SPDX-License-Identifier: MIT
/*
 * Where frames go: a raw and sparse file, or one in the seekable format.
 *
 * The bytes are the victim's: written or compressed, not looked at.
 */
#include "frame-sinks.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "capture-report.h"

static int write_run(int fd, const struct frame *f, size_t at, size_t end)
{
	while (at < end) {
		ssize_t n = pwrite(fd, f->data + at, end - at, (off_t)(f->offset + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

/* Only what is memory is written: the rest stays a hole. */
static int spool_take(void *context, void *own, struct frame *f)
{
	int fd = *(const int *)context;
	size_t start = 0, end = f->head_len;

	(void)own;
	for (size_t i = 0; i < f->piece_count; i++) {
		const struct frame_piece *piece = &f->pieces[i];

		if (piece->at != end) {
			int r = write_run(fd, f, start, end);

			if (r < 0)
				return r;
			start = piece->at;
		}
		end = piece->at + piece->size;
	}
	return write_run(fd, f, start, end);
}

/* A file that has its size, and no bytes; for sources whose frames have pieces. */
struct frame_sink spool_sink(int *fd)
{
	return (struct frame_sink){ .take = spool_take, .context = fd };
}

static int open_compressor(void *context, void **ret_own)
{
	const struct seekable_sink *s = context;
	struct seekable_compressor *compressor;
	int r = seekable_compressor_new(s->level, &compressor);

	if (r == 0)
		*ret_own = compressor;
	return r;
}

static void close_compressor(void *own)
{
	struct seekable_compressor *compressor = own;

	seekable_compressor_free(&compressor);
}

static int compress_frame(void *context, void *own, struct frame *f)
{
	(void)context;
	return f->zeros > 0 ? 0
			    : seekable_compress(own, f->data, f->len, &f->stored, &f->stored_len);
}

static void digest_frame(struct sha256_ctx *digest, const struct frame *f)
{
	static const char zeros[64U << 10];

	for (uint64_t left = f->zeros; left > 0;) {
		size_t len = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		digest_update(digest, zeros, len);
		left -= len;
	}
	if (f->len > 0)
		digest_update(digest, f->data, f->len);
}

static int put_frame(void *context, struct frame *f)
{
	struct seekable_sink *s = context;

	if (s->raw_digest)
		digest_frame(s->raw_digest, f);
	/* Zeros take little room, but not none: 2 GiB of it for 64 TiB. */
	if (seekable_writer_stored_size(s->writer) + (f->zeros > 0 ? 0 : f->stored_len) >
	    s->max_stored)
		return LIMIT_MAX_STORED;
	if (f->zeros > 0)
		return seekable_writer_add_zeros(s->writer, f->zeros);
	return seekable_writer_append(s->writer, f->stored, f->stored_len, f->len);
}

/* Compressed by all threads, and written in order. */
struct frame_sink seekable_sink_frames(struct seekable_sink *s)
{
	return (struct frame_sink){ .open = open_compressor,
				    .close = close_compressor,
				    .take = compress_frame,
				    .put = put_frame,
				    .context = s };
}
