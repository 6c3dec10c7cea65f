// SPDX-License-Identifier: MIT
/*
 * Reads any range of a file in the zstd seekable format.
 *
 * The file may come from anyone: the table must fit the file exactly, and each frame must unpack to
 * just what the table says.  Memory does not grow with what a frame claims to hold.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "fd.h"
#include "seekable-format.h"
#include "seekable.h"

#define READ_BYTES (128U << 10)
/* What a frame may make us allocate: levels up to 19 ask for 8 MiB, our own frames for 1. */
#define WINDOW_LOG_MAX 23

struct frame_start {
	uint64_t stored, raw; /* offsets in the file and in what it unpacks to */
};

struct seekable_reader {
	int fd; /* the caller's */
	ZSTD_DCtx *dctx;
	struct frame_start *frames; /* frame_count + 1: the last one tells the ends */
	size_t frame_count;

	/* where the decoder stands */
	uint64_t position;   /* offset of the next raw byte */
	size_t frame;	     /* the frame that holds it, == frame_count: nothing is open */
	uint64_t stored_pos; /* next byte of the file to feed */
	char in[READ_BYTES];
	size_t in_len, in_pos;
	char skip[READ_BYTES];
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, 4);
	return le32toh(word);
}

/* Fills r->frames from the table's entries; entry: bytes of one. -EBADMSG: sizes that cannot be. */
static int fill_frames(struct seekable_reader *r, const uint8_t *table, size_t entry,
		       uint64_t stored_end)
{
	uint64_t stored = 0, raw = 0;

	for (size_t i = 0; i < r->frame_count; i++) {
		uint32_t stored_len = get32(table + i * entry);
		uint32_t raw_len = get32(table + i * entry + 4);

		if (stored_len == 0 || raw_len > SEEKABLE_FRAME_RAW_MAX ||
		    stored_len > stored_end - stored)
			return -EBADMSG;
		r->frames[i] = (struct frame_start){ .stored = stored, .raw = raw };
		stored += stored_len;
		raw += raw_len;
	}
	r->frames[r->frame_count] = (struct frame_start){ .stored = stored, .raw = raw };
	return stored == stored_end ? 0 : -EBADMSG;
}

static int read_table(struct seekable_reader *r)
{
	uint8_t footer[SEEKABLE_FOOTER_BYTES], header[SEEKABLE_HEADER_BYTES];
	struct stat st;

	if (fstat(r->fd, &st) < 0)
		return -errno;
	uint64_t size = (uint64_t)st.st_size;
	if (size < SEEKABLE_HEADER_BYTES + SEEKABLE_FOOTER_BYTES)
		return -EBADMSG;
	int e = fd_pread_all(r->fd, footer, sizeof(footer), size - sizeof(footer));
	if (e < 0)
		return e;
	uint32_t count = get32(footer);
	if (get32(footer + 5) != SEEKABLE_FOOTER_MAGIC || (footer[4] & SEEKABLE_RESERVED_BITS) ||
	    count > SEEKABLE_FRAMES_MAX)
		return -EBADMSG;

	size_t entry = SEEKABLE_ENTRY_BYTES + (footer[4] & SEEKABLE_CHECKSUM_FLAG ? 4 : 0);
	uint64_t table_len = (uint64_t)count * entry;
	if (table_len > size - SEEKABLE_HEADER_BYTES - SEEKABLE_FOOTER_BYTES)
		return -EBADMSG;
	uint64_t stored_end = size - SEEKABLE_FOOTER_BYTES - table_len - SEEKABLE_HEADER_BYTES;
	e = fd_pread_all(r->fd, header, sizeof(header), stored_end);
	if (e < 0)
		return e;
	if (get32(header) != SEEKABLE_SKIPPABLE_MAGIC ||
	    get32(header + 4) != table_len + SEEKABLE_FOOTER_BYTES)
		return -EBADMSG;

	cleanup_free uint8_t *table = malloc(table_len + 1);
	r->frames = calloc((size_t)count + 1, sizeof(*r->frames));
	r->frame_count = count;
	if (!table || !r->frames)
		return -ENOMEM;
	e = fd_pread_all(r->fd, table, table_len, stored_end + SEEKABLE_HEADER_BYTES);
	return e < 0 ? e : fill_frames(r, table, entry, stored_end);
}

/*
 * Opens a file in the seekable format (fd stays the caller's, and is read by offset).
 * -EBADMSG: not such a file, or damaged; -ENOMEM; -errno.
 */
int seekable_reader_new(int fd, struct seekable_reader **ret_reader)
{
	struct seekable_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->fd = fd;
	r->dctx = ZSTD_createDCtx();
	bool bounded = r->dctx && !ZSTD_isError(ZSTD_DCtx_setParameter(r->dctx, ZSTD_d_windowLogMax,
								       WINDOW_LOG_MAX));
	int e = bounded ? read_table(r) : -ENOMEM;
	if (e < 0) {
		seekable_reader_free(&r);
		return e;
	}
	r->frame = r->frame_count;
	r->position = UINT64_MAX;
	*ret_reader = r;
	return 0;
}

/* Frees the reader, not its descriptor. */
void seekable_reader_free(struct seekable_reader **reader)
{
	struct seekable_reader *r = *reader;

	if (r) {
		ZSTD_freeDCtx(r->dctx);
		free(r->frames);
		free(r);
	}
	*reader = NULL;
}

/* Bytes that the whole file unpacks to. */
uint64_t seekable_reader_size(const struct seekable_reader *r)
{
	return r->frames[r->frame_count].raw;
}

/* The frame that holds the raw byte at offset, which must be below the size. */
static size_t frame_of(const struct seekable_reader *r, uint64_t offset)
{
	size_t low = 0, high = r->frame_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (r->frames[middle].raw <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void open_frame(struct seekable_reader *r, size_t frame)
{
	ZSTD_DCtx_reset(r->dctx, ZSTD_reset_session_only);
	r->frame = frame;
	r->position = r->frames[frame].raw;
	r->stored_pos = r->frames[frame].stored;
	r->in_len = r->in_pos = 0;
}

static int feed(struct seekable_reader *r)
{
	uint64_t left = r->frames[r->frame + 1].stored - r->stored_pos;
	size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;

	if (want == 0)
		return -EBADMSG; /* the frame wants more than the table gives it */
	int e = fd_pread_all(r->fd, r->in, want, r->stored_pos);
	if (e < 0)
		return e == -ENODATA ? -EBADMSG : e;
	r->stored_pos += want;
	r->in_len = want;
	r->in_pos = 0;
	return 0;
}

/* Reads what a frame has behind its last byte, so that its checksum is seen. 0, or -errno. */
static int close_frame(struct seekable_reader *r)
{
	char none;
	ZSTD_outBuffer out = { &none, 0, 0 };

	for (;;) {
		ZSTD_inBuffer in = { r->in, r->in_len, r->in_pos };
		size_t hint = ZSTD_decompressStream(r->dctx, &out, &in);

		if (ZSTD_isError(hint))
			return -EBADMSG;
		r->in_pos = in.pos;
		if (hint == 0)
			return 0;
		if (r->in_pos == r->in_len) {
			int e = feed(r);

			if (e < 0)
				return e;
		}
	}
}

/* Unpacks 1 to len bytes at the decoder's position, within its frame. Returns the bytes, or -errno.
 */
static ssize_t decode(struct seekable_reader *r, void *buf, size_t len)
{
	uint64_t frame_left = r->frames[r->frame + 1].raw - r->position;
	ZSTD_outBuffer out = { buf, len < frame_left ? len : (size_t)frame_left, 0 };
	size_t hint = 1;

	while (out.pos == 0) {
		ZSTD_inBuffer in = { r->in, r->in_len, r->in_pos };

		hint = ZSTD_decompressStream(r->dctx, &out, &in);
		if (ZSTD_isError(hint))
			return -EBADMSG;
		r->in_pos = in.pos;
		if (out.pos > 0)
			break;
		if (hint == 0)
			return -EBADMSG; /* the frame ends before the table says so */
		if (r->in_pos == r->in_len) {
			int e = feed(r);

			if (e < 0)
				return e;
		}
	}
	r->position += out.pos;
	/* hint 0: the frame's end was seen already, and the decoder would start another. */
	if (out.pos == frame_left && hint != 0) {
		int e = close_frame(r);

		if (e < 0)
			return e;
	}
	return (ssize_t)out.pos;
}

/*
 * Reads up to len raw bytes at offset: as read(2), 0 at the end.  Reading on where the last call
 * ended costs no more than unpacking; elsewhere, unpacking from the start of one frame. -EBADMSG:
 * the file is damaged; -errno.
 */
ssize_t seekable_reader_pread(struct seekable_reader *r, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len && offset + done < seekable_reader_size(r)) {
		uint64_t at = offset + done;
		ssize_t n;

		/* A frame that holds nothing is never the one of a byte: frame_of() takes the last.
		 */
		if (r->frame == r->frame_count || at < r->position ||
		    at >= r->frames[r->frame + 1].raw)
			open_frame(r, frame_of(r, at));
		if (at > r->position) {
			uint64_t gap = at - r->position;

			n = decode(r, r->skip, gap < READ_BYTES ? (size_t)gap : READ_BYTES);
		} else {
			n = decode(r, (char *)buf + done, len - done);
			done += n > 0 ? (size_t)n : 0;
		}
		if (n < 0) {
			r->frame = r->frame_count;
			return n;
		}
	}
	return (ssize_t)done;
}
