// SPDX-License-Identifier: MIT
/*
 * A stored core, copied out as its raw bytes, its digest checked on the way.
 *
 * The bytes are the victim's: they are passed on, never interpreted.  A core may be terabytes of
 * nothing, so zeros are never written where the output can have holes.
 */
#include "core-export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "fd.h"

#define EXPORT_CHUNK_BYTES (1U << 20) /* a frame of the store's */
#define EXPORT_BLOCK_BYTES 4096U      /* the smallest hole that a file system makes */

static bool is_zero(const char *block, size_t len)
{
	return block[0] == '\0' && memcmp(block, block + 1, len - 1) == 0;
}

static int pwrite_all(int fd, const char *data, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		data += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes what is not zero, as few times as possible. */
static int write_sparse(int fd, const char *data, size_t len, uint64_t offset)
{
	size_t start = 0, end = 0;
	int r = 0;

	while (r == 0 && end < len) {
		size_t block = len - end < EXPORT_BLOCK_BYTES ? len - end : EXPORT_BLOCK_BYTES;

		if (is_zero(data + end, block)) {
			r = pwrite_all(fd, data + start, end - start, offset + start);
			start = end + block;
		}
		end += block;
	}
	return r < 0 ? r : pwrite_all(fd, data + start, end - start, offset + start);
}

static int copy(struct core_reader *reader, struct core_export *export, char *chunk,
		struct sha256_ctx *digest)
{
	uint64_t size = core_reader_size(reader);

	for (uint64_t offset = 0; offset < size;) {
		uint64_t left = size - offset;
		size_t want = left < EXPORT_CHUNK_BYTES ? (size_t)left : EXPORT_CHUNK_BYTES;

		if (export->stop && *export->stop)
			return -EINTR;
		export->is_writing = false;
		ssize_t n = core_reader_pread(reader, chunk, want, offset);
		if (n <= 0)
			return n < 0 ? (int)n : -EBADMSG;
		if (digest)
			digest_update(digest, chunk, (size_t)n);

		export->is_writing = true;
		int r = export->sparse ? write_sparse(export->fd, chunk, (size_t)n, offset)
				       : fd_write_all(export->fd, chunk, (size_t)n);
		if (r < 0)
			return r;
		offset += (uint64_t)n;
	}
	/* A hole at the end has no block that would make the file as long as the core. */
	if (export->sparse && ftruncate(export->fd, (off_t)size) < 0)
		return -errno;
	return 0;
}

/*
 * Copies the whole core.  0; CORE_EXPORT_DIFFERS: its digest is not the one that was recorded;
 * -EBADMSG: the stored core is damaged; -EINTR: stopped; -errno, of the store or (is_writing) of
 * the output.
 */
int core_export(struct core_reader *reader, struct core_export *export)
{
	bool check = export->sha256 && *export->sha256;
	cleanup_free char *chunk = malloc(EXPORT_CHUNK_BYTES);
	char hex[DIGEST_HEX_SIZE];
	struct sha256_ctx digest;

	if (!chunk)
		return -ENOMEM;
	digest_init(&digest);
	int r = copy(reader, export, chunk, check ? &digest : NULL);
	if (r < 0 || !check)
		return r;
	digest_finish_hex(&digest, hex);
	return strcmp(hex, export->sha256) == 0 ? 0 : CORE_EXPORT_DIFFERS;
}
