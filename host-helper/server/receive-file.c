// SPDX-License-Identifier: MIT
/*
 * An upload's body on its way into a file: unpacked, sparse, measured, and bounded.
 *
 * The body is the peer's: it may be no zstd, end anywhere, unpack to more than any disk holds, or
 * ask for more memory than there is.  It is written to the descriptor that we were given, and
 * nowhere else.
 */
#include "receive-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "limits.h"

#define BUFFER_BYTES (128U << 10)
#define HOLE_BYTES   4096U
/* Look at the disk, and have it start to write, each time so much was written. */
#define CHECK_BYTES (16U << 20)

/* Of all decoders at once. */
static atomic_size_t unpack_memory;

struct receive_file {
	size_t memory;	 /* its part of that */
	int fd;		 /* the caller's; -1: nothing is written */
	ZSTD_DCtx *dctx; /* NULL: the body is raw */
	bool inside;	 /* in the middle of a frame */
	uint64_t raw_max, raw_size, body_size;
	uint64_t written, checked; /* bytes that are no holes */
	struct sha256_ctx raw_digest, body_digest;
	size_t len;
	char buffer[BUFFER_BYTES]; /* the next raw bytes; begins at a multiple of HOLE_BYTES */
};

/* -ENOSPC where less is free, on the file system of fd, than we leave to others and `more`. */
int receive_check_space(int fd, uint64_t more)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) < 0)
		return -errno;
	uint64_t keep = (uint64_t)fs.f_blocks * fs.f_frsize / LIMIT_KEEP_FREE_PART;

	if (keep > LIMIT_KEEP_FREE)
		keep = LIMIT_KEEP_FREE;
	return (uint64_t)fs.f_bavail * fs.f_frsize < keep + more ? -ENOSPC : 0;
}

/*
 * Starts with an empty file at fd (the caller's; -1: unpack and measure only).
 * raw_max: more raw bytes than this are refused.  0, -ENOSPC, -ENOMEM or -errno.
 */
int receive_file_new(int fd, bool zst, uint64_t raw_max, struct receive_file **ret_file)
{
	struct receive_file *f = calloc(1, sizeof(*f));
	int r = 0;

	if (!f)
		return -ENOMEM;
	f->fd = fd;
	f->raw_max = raw_max;
	digest_init(&f->raw_digest);
	digest_init(&f->body_digest);
	if (zst && atomic_load(&unpack_memory) >= LIMIT_UNPACK_MEMORY)
		r = -EBUSY;
	if (zst && r == 0) {
		f->dctx = ZSTD_createDCtx();
		if (!f->dctx || ZSTD_isError(ZSTD_DCtx_setParameter(f->dctx, ZSTD_d_windowLogMax,
								    LIMIT_WINDOW_LOG)))
			r = -ENOMEM;
	}
	if (r == 0 && fd >= 0)
		r = receive_check_space(fd, 0);
	if (r < 0) {
		receive_file_free(&f);
		return r;
	}
	*ret_file = f;
	return 0;
}

/* Frees it, not its descriptor. */
void receive_file_free(struct receive_file **file)
{
	if (*file) {
		ZSTD_freeDCtx((*file)->dctx);
		atomic_fetch_sub(&unpack_memory, (*file)->memory);
		free(*file);
	}
	*file = NULL;
}

static bool is_hole(const char *data, size_t len)
{
	static const char zeros[HOLE_BYTES];

	return memcmp(data, zeros, len) == 0;
}

static int write_at(struct receive_file *f, const char *data, size_t len, uint64_t offset)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(f->fd, data + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	f->written += len;
	if (f->written - f->checked < CHECK_BYTES)
		return 0;
	f->checked = f->written;
	/* So that the fsync at the end, in which the peer waits for us, has little left to do. */
	(void)sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return receive_check_space(f->fd, 0);
}

/* Writes the runs of the buffer that are no holes. */
static int write_sparse(struct receive_file *f)
{
	size_t start = 0, at = 0;
	int r = 0;

	while (at < f->len && r == 0) {
		size_t len = f->len - at < HOLE_BYTES ? f->len - at : HOLE_BYTES;
		bool hole = is_hole(f->buffer + at, len);

		if (hole && at > start)
			r = write_at(f, f->buffer + start, at - start, f->raw_size + start);
		at += len;
		if (hole)
			start = at;
	}
	if (r == 0 && at > start)
		r = write_at(f, f->buffer + start, at - start, f->raw_size + start);
	return r;
}

static int flush(struct receive_file *f)
{
	int r = f->fd >= 0 ? write_sparse(f) : 0;

	if (r < 0)
		return r;
	digest_update(&f->raw_digest, f->buffer, f->len);
	f->raw_size += f->len;
	f->len = 0;
	return 0;
}

/* How much a decoder takes is known when it has seen a frame's head. -EBUSY: it is too much now. */
static int account_memory(struct receive_file *f)
{
	size_t memory = ZSTD_sizeof_DCtx(f->dctx);

	if (memory == f->memory)
		return 0;
	size_t before = atomic_fetch_add(&unpack_memory, memory - f->memory);
	size_t others = before - f->memory;
	f->memory = memory;
	/* One alone is never too much. */
	return others > 0 && others + memory > LIMIT_UNPACK_MEMORY ? -EBUSY : 0;
}

/* Moves some of the data into the buffer. */
static int fill(struct receive_file *f, const char *data, size_t len, size_t *position)
{
	if (!f->dctx) {
		size_t room = BUFFER_BYTES - f->len, n = len - *position;

		n = n < room ? n : room;
		memcpy(f->buffer + f->len, data + *position, n);
		f->len += n;
		*position += n;
		return 0;
	}

	ZSTD_inBuffer in = { data, len, *position };
	ZSTD_outBuffer out = { f->buffer, BUFFER_BYTES, f->len };
	size_t hint = ZSTD_decompressStream(f->dctx, &out, &in);

	if (ZSTD_isError(hint)) {
		ZSTD_ErrorCode code = ZSTD_getErrorCode(hint);

		if (code == ZSTD_error_frameParameter_windowTooLarge)
			return -EOVERFLOW;
		return code == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
	}
	/* Behind a frame's end the decoder asks for the next one, though there need not be any. */
	if (in.pos != *position || out.pos != f->len)
		f->inside = hint != 0;
	f->len = out.pos;
	*position = in.pos;
	return account_memory(f);
}

/*
 * Takes *len bytes of the body, and tells in *len how many it left: call it again with those,
 * later. -EBADMSG: not zstd; -EOVERFLOW: zstd that needs too much memory; -EMSGSIZE: more raw bytes
 * than raw_max; -EBUSY: too many decoders are at work; -ENOSPC; -ENOMEM; -errno of writing.
 */
int receive_file_take(struct receive_file *f, const char *data, size_t *len)
{
	uint64_t start = f->raw_size;
	size_t position = 0;

	/* A full buffer may leave more in the decoder, though it took all of the data. */
	for (bool full = false; position < *len || full;) {
		if (position < *len && f->raw_size - start >= LIMIT_UNPACK_AT_ONCE)
			break;
		int r = fill(f, data, *len, &position);

		if (r < 0)
			return r;
		if (f->len > f->raw_max - f->raw_size)
			return -EMSGSIZE;
		full = f->len == BUFFER_BYTES;
		r = full ? flush(f) : 0;
		if (r < 0)
			return r;
	}
	digest_update(&f->body_digest, data, position);
	f->body_size += position;
	*len -= position;
	return 0;
}

/* Bytes that it wrote: holes are none. */
uint64_t receive_file_written(const struct receive_file *f)
{
	return f->written;
}

/*
 * Ends the file: it has its size then, and is on the disk.
 * -EBADMSG: the body ends in the middle; -ENODATA: there is nothing in it; -errno.
 */
int receive_file_finish(struct receive_file *f, struct receive_result *ret_result)
{
	int r = f->inside ? -EBADMSG : flush(f);

	if (r < 0)
		return r;
	if (f->raw_size == 0)
		return -ENODATA;
	if (f->fd >= 0 && (ftruncate(f->fd, (off_t)f->raw_size) < 0 || fsync(f->fd) < 0))
		return -errno;
	ret_result->body_size = f->body_size;
	ret_result->raw_size = f->raw_size;
	digest_finish_hex(&f->body_digest, ret_result->body_sha256);
	digest_finish_hex(&f->raw_digest, ret_result->raw_sha256);
	return 0;
}
