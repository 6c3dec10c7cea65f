// SPDX-License-Identifier: MIT
/*
 * Writes the zstd seekable format: independent frames, then the table of them.
 *
 * The data is a core, so the attacker's; it is compressed, never looked at.  The file always ends
 * behind a whole frame: what does not fit the disk is taken back, so that what there is can be
 * read.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "fd.h"
#include "seekable-format.h"
#include "seekable.h"

struct frame_size {
	uint32_t stored, raw;
};

struct seekable_compressor {
	ZSTD_CCtx *cctx;
	size_t size;
	char stored[];
};

struct seekable_writer {
	int fd; /* the caller's */
	struct seekable_compressor *compressor;
	struct sha256_ctx *digest; /* of all that is appended, or NULL; the caller's */
	struct frame_size *frames;
	size_t frame_count, frame_space;
	uint64_t raw_size, stored_size;
	char zeros[32U << 10]; /* a compressed frame of zeros: about 4 bytes for each 128 KiB */
	size_t zeros_len;      /* 0: not made yet */
};

/* Prepares for frames of up to SEEKABLE_FRAME_BYTES.  level: zstd's.  0 or -ENOMEM. */
int seekable_compressor_new(int level, struct seekable_compressor **ret_compressor)
{
	size_t size = ZSTD_compressBound(SEEKABLE_FRAME_BYTES);
	struct seekable_compressor *c = malloc(sizeof(*c) + size);

	if (!c)
		return -ENOMEM;
	c->size = size;
	c->cctx = ZSTD_createCCtx();
	if (!c->cctx) {
		free(c);
		return -ENOMEM;
	}
	ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_checksumFlag, 1);
	*ret_compressor = c;
	return 0;
}

/* Frees it. */
void seekable_compressor_free(struct seekable_compressor **compressor)
{
	if (*compressor) {
		ZSTD_freeCCtx((*compressor)->cctx);
		free(*compressor);
	}
	*compressor = NULL;
}

/*
 * Makes a frame of 1 to SEEKABLE_FRAME_BYTES bytes; *ret_stored is the compressor's, until the next
 * one.  0, -EINVAL or -EIO.
 */
int seekable_compress(struct seekable_compressor *c, const void *data, size_t len,
		      const void **ret_stored, size_t *ret_stored_len)
{
	if (len == 0 || len > SEEKABLE_FRAME_BYTES)
		return -EINVAL;
	size_t n = ZSTD_compress2(c->cctx, c->stored, c->size, data, len);

	if (ZSTD_isError(n))
		return -EIO;
	*ret_stored = c->stored;
	*ret_stored_len = n;
	return 0;
}

/*
 * Starts a file at fd's position 0 (fd stays the caller's, and must stay open).
 * level: zstd's.  0 or -ENOMEM.
 */
int seekable_writer_new(int fd, int level, struct seekable_writer **ret_writer)
{
	struct seekable_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = fd;
	int r = seekable_compressor_new(level, &w->compressor);
	if (r < 0) {
		seekable_writer_free(&w);
		return r;
	}
	*ret_writer = w;
	return 0;
}

/* Frees the writer, not its descriptor. */
void seekable_writer_free(struct seekable_writer **writer)
{
	struct seekable_writer *w = *writer;

	if (w) {
		seekable_compressor_free(&w->compressor);
		free(w->frames);
		free(w);
	}
	*writer = NULL;
}

/* From now on all that comes into the file goes into this digest too (the caller's). */
void seekable_writer_digest(struct seekable_writer *w, struct sha256_ctx *digest)
{
	w->digest = digest;
}

/* Writes at the end; what could not be written whole is taken back. 0 or -errno. */
static int append(struct seekable_writer *w, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(w->fd, (const char *)data + done, len - done,
				   (off_t)(w->stored_size + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int r = n < 0 ? -errno : -EIO;

			(void)!ftruncate(w->fd, (off_t)w->stored_size);
			return r;
		}
		done += (size_t)n;
	}
	if (w->digest)
		sha256_update(w->digest, len, data);
	w->stored_size += len;
	return 0;
}

static int remember_frame(struct seekable_writer *w, size_t stored_len, size_t raw_len)
{
	if (w->frame_count == SEEKABLE_FRAMES_MAX)
		return -EFBIG;
	if (w->frame_count == w->frame_space) {
		size_t space = w->frame_space ? w->frame_space * 2 : 64;
		struct frame_size *frames = reallocarray(w->frames, space, sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		w->frames = frames;
		w->frame_space = space;
	}
	w->frames[w->frame_count++] =
		(struct frame_size){ .stored = (uint32_t)stored_len, .raw = (uint32_t)raw_len };
	w->raw_size += raw_len;
	return 0;
}

/*
 * Adds a frame that is compressed already (seekable_compress()).  On -errno the file is as it was
 * before.
 */
int seekable_writer_append(struct seekable_writer *w, const void *stored, size_t stored_len,
			   size_t raw_len)
{
	int r = remember_frame(w, stored_len, raw_len);

	if (r < 0)
		return r;
	r = append(w, stored, stored_len);
	if (r < 0) {
		w->frame_count--;
		w->raw_size -= raw_len;
	}
	return r;
}

/*
 * Adds one frame of 1 to SEEKABLE_FRAME_BYTES bytes.  On -errno (-ENOSPC, -EFBIG, ...) the file is
 * as it was before.
 */
int seekable_writer_add(struct seekable_writer *w, const void *data, size_t len)
{
	const void *stored;
	size_t stored_len;
	int r = seekable_compress(w->compressor, data, len, &stored, &stored_len);

	return r < 0 ? r : seekable_writer_append(w, stored, stored_len, len);
}

/* Compresses SEEKABLE_ZEROS_BYTES zeros, once for all, a MiB at a time. */
static int make_zeros(struct seekable_writer *w)
{
	cleanup_free char *zeros = calloc(1, SEEKABLE_FRAME_BYTES);
	ZSTD_outBuffer out = { w->zeros, sizeof(w->zeros), 0 };
	size_t left = 1;

	if (!zeros)
		return -ENOMEM;
	ZSTD_CCtx_reset(w->compressor->cctx, ZSTD_reset_session_only);
	ZSTD_CCtx_setPledgedSrcSize(w->compressor->cctx, SEEKABLE_ZEROS_BYTES);
	for (size_t done = 0; done < SEEKABLE_ZEROS_BYTES; done += SEEKABLE_FRAME_BYTES) {
		bool last = done + SEEKABLE_FRAME_BYTES == SEEKABLE_ZEROS_BYTES;
		ZSTD_inBuffer in = { zeros, SEEKABLE_FRAME_BYTES, 0 };

		left = ZSTD_compressStream2(w->compressor->cctx, &out, &in,
					    last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left) || in.pos < in.size)
			return -EIO;
	}
	w->zeros_len = out.pos;
	return left == 0 ? 0 : -EIO;
}

/*
 * Adds len zeros, in frames of SEEKABLE_ZEROS_BYTES and of SEEKABLE_FRAME_BYTES: what it costs does
 * not grow with their number but for a few bytes in 64 MiB.  On -errno some of them may have been
 * added.
 */
int seekable_writer_add_zeros(struct seekable_writer *w, uint64_t len)
{
	int r = 0;

	if (len >= SEEKABLE_ZEROS_BYTES && w->zeros_len == 0)
		r = make_zeros(w);
	for (; r == 0 && len >= SEEKABLE_ZEROS_BYTES; len -= SEEKABLE_ZEROS_BYTES)
		r = seekable_writer_append(w, w->zeros, w->zeros_len, SEEKABLE_ZEROS_BYTES);
	if (r < 0 || len == 0)
		return r;

	cleanup_free char *zeros = calloc(1, SEEKABLE_FRAME_BYTES);
	if (!zeros)
		return -ENOMEM;
	while (r == 0 && len > 0) {
		size_t n = len < SEEKABLE_FRAME_BYTES ? (size_t)len : SEEKABLE_FRAME_BYTES;

		r = seekable_writer_add(w, zeros, n);
		len -= n;
	}
	return r;
}

/* Takes the last frame back, to make room on a full disk. 0, -ENOENT: there is none, or -errno. */
int seekable_writer_drop_last(struct seekable_writer *w)
{
	if (w->frame_count == 0)
		return -ENOENT;
	const struct frame_size *last = &w->frames[w->frame_count - 1];

	if (ftruncate(w->fd, (off_t)(w->stored_size - last->stored)) < 0)
		return -errno;
	w->frame_count--;
	w->stored_size -= last->stored;
	w->raw_size -= last->raw;
	return 0;
}

/*
 * Takes up a file whose writer was stopped: what of it is whole frames is kept, the rest cut off.
 * To be called on a new writer, before anything is added.  The file may hold anything.  0 or
 * -errno.
 */
int seekable_writer_mend(struct seekable_writer *w)
{
	size_t space = w->compressor->size + SEEKABLE_HEADER_BYTES;
	cleanup_free char *buf = malloc(space);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = pread(w->fd, buf, space, (off_t)w->stored_size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		size_t stored = ZSTD_findFrameCompressedSize(buf, (size_t)n);
		unsigned long long raw = ZSTD_getFrameContentSize(buf, (size_t)n);
		if (ZSTD_isError(stored) || raw == 0 || raw > SEEKABLE_ZEROS_BYTES)
			break; /* not a whole frame, not one of ours, or the table */
		int r = remember_frame(w, stored, (size_t)raw);
		if (r < 0)
			return r;
		w->stored_size += stored;
	}
	return ftruncate(w->fd, (off_t)w->stored_size) < 0 ? -errno : 0;
}

/* Writes the table: the file is complete then. 0, or -errno and the file as it was before. */
int seekable_writer_finish(struct seekable_writer *w)
{
	size_t table = w->frame_count * SEEKABLE_ENTRY_BYTES;
	size_t len = SEEKABLE_HEADER_BYTES + table + SEEKABLE_FOOTER_BYTES;
	cleanup_free uint8_t *buf = malloc(len);
	uint32_t word;

	if (!buf)
		return -ENOMEM;
	uint8_t *p = buf;
#define PUT32(v) (word = htole32((uint32_t)(v)), memcpy(p, &word, 4), p += 4)
	PUT32(SEEKABLE_SKIPPABLE_MAGIC);
	PUT32(table + SEEKABLE_FOOTER_BYTES);
	for (size_t i = 0; i < w->frame_count; i++) {
		PUT32(w->frames[i].stored);
		PUT32(w->frames[i].raw);
	}
	PUT32(w->frame_count);
	*p++ = 0; /* descriptor: no checksums in the table, the frames have their own */
	PUT32(SEEKABLE_FOOTER_MAGIC);
#undef PUT32
	return append(w, buf, len);
}

/* Bytes taken so far. */
uint64_t seekable_writer_raw_size(const struct seekable_writer *w)
{
	return w->raw_size;
}

/* Bytes in the file so far. */
uint64_t seekable_writer_stored_size(const struct seekable_writer *w)
{
	return w->stored_size;
}
