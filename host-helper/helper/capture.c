// SPDX-License-Identifier: MIT
/*
 * The core, from the kernel's pipe into a file of the store.
 *
 * The bytes are the victim's memory.  Here they are compressed and written, and nothing in them is
 * looked at; their headers are read afterwards, from the file, to know whether the core is whole.
 * Whatever fails, the pipe is let go and what there is is kept, and called what it is.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core-reader.h"
#include "digest.h"
#include "elf-core.h"
#include "fd.h"
#include "seekable-format.h"
#include "seekable.h"
#include "victim.h"

#define CAPTURE_LEVEL 1 /* zstd's: a victim waits */

/* A disk that was full for the core is full for the record too: this much is given back. */
#define CAPTURE_ROOM_BYTES (256U << 10)

static enum capture_end end_of_error(int error)
{
	if (error == -ETIME)
		return CAPTURE_TIME_OVER;
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG ? CAPTURE_DISK_FULL
								       : CAPTURE_ERROR;
}

/* Takes frames back until there is room for the table and the record. */
static void make_room(struct seekable_writer *writer)
{
	uint64_t full = seekable_writer_stored_size(writer);

	while (full - seekable_writer_stored_size(writer) < CAPTURE_ROOM_BYTES)
		if (seekable_writer_drop_last(writer) < 0)
			break;
}

/*
 * Fills buf from the pipe: 0 with *ret_len == len; 0 with less, which is the stream's end; or
 * -errno, and *ret_len tells what was read all the same.  -ETIME: the deadline.  The kernel may
 * stop in the middle for as long as the victim likes, on a page of a file system that the victim
 * serves itself.
 */
static int read_pipe(int pipe_fd, char *buf, size_t len, uint64_t deadline_us, size_t *ret_len)
{
	*ret_len = 0;
	while (*ret_len < len) {
		struct pollfd fd = { .fd = pipe_fd, .events = POLLIN };
		uint64_t now = monotonic_us();

		if (now >= deadline_us)
			return -ETIME;
		int ready = poll(&fd, 1, (int)((deadline_us - now) / 1000 % INT_MAX + 1));
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready <= 0)
			continue;
		ssize_t n = read(pipe_fd, buf + *ret_len, len - *ret_len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0)
			break;
		*ret_len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy_frames(int pipe_fd, struct seekable_writer *writer, uint64_t deadline_us)
{
	cleanup_free char *buf = malloc(SEEKABLE_FRAME_BYTES);
	size_t len;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		int end = read_pipe(pipe_fd, buf, SEEKABLE_FRAME_BYTES, deadline_us, &len);
		int r = len > 0 ? seekable_writer_add(writer, buf, len) : 0;

		if (r < 0)
			return r;
		if (end < 0 || len < SEEKABLE_FRAME_BYTES)
			return end;
	}
}

/*
 * Reads pipe_fd to its end, but for no longer than max_block_ms, into core_fd (a new file), in the
 * zstd seekable format.  It never fails as a whole: *ret_result tells how far it came.  The caller
 * closes both.
 */
void capture_pipe(int pipe_fd, int core_fd, uint64_t max_block_ms,
		  struct capture_result *ret_result)
{
	uint64_t deadline_us = monotonic_us() + max_block_ms * 1000;
	struct seekable_writer *writer = NULL;
	struct capture_result result = { CAPTURE_WHOLE, 0, 0, 0 };

	(void)fcntl(pipe_fd, F_SETPIPE_SZ,
		    (int)SEEKABLE_FRAME_BYTES); /* if it may, fewer switches */

	int r = seekable_writer_new(core_fd, CAPTURE_LEVEL, &writer);
	if (r == 0)
		r = copy_frames(pipe_fd, writer, deadline_us);
	if (r < 0) {
		result.end = end_of_error(r);
		result.error = r;
		if (writer && result.end == CAPTURE_DISK_FULL)
			make_room(writer);
	}
	while (writer && (r = seekable_writer_finish(writer)) < 0) {
		result.end = end_of_error(r);
		result.error = r;
		if (seekable_writer_drop_last(writer) < 0)
			break;
	}
	if (writer) {
		result.raw_size = seekable_writer_raw_size(writer);
		result.stored_size = seekable_writer_stored_size(writer);
	}
	seekable_writer_free(&writer);
	*ret_result = result;
}

static ssize_t read_core(void *context, void *buf, size_t len, uint64_t offset)
{
	return core_reader_pread(context, buf, len, offset);
}

/* Compares the core with what its headers promise. Returns NULL: whole, or the reason why not. */
static char *find_shortfall(int dirfd, const struct capture_result *result)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	uint64_t expected = 0;
	char *reason = NULL;
	int n = 0;

	int r = core_reader_open_at(dirfd, CRASH_CORE_ZST_NAME, &reader);
	if (r == 0)
		r = elf_core_expected_size(read_core, reader, &expected);
	if (r == -EINVAL)
		n = asprintf(&reason, "what the kernel sent is not an ELF core");
	else if (r < 0)
		n = asprintf(&reason, "the dump ended within its headers: %s", strerror(-r));
	else if (result->raw_size < expected)
		n = asprintf(&reason,
			     "the dump ended after %llu of %llu bytes: the process was killed "
			     "while it dumped",
			     (unsigned long long)result->raw_size, (unsigned long long)expected);
	return n < 0 ? NULL : reason;
}

static void set_outcome(struct crash *crash, enum crash_outcome outcome, const char *reason)
{
	crash->outcome = outcome;
	(void)crash_set_string(&crash->reason, reason);
}

/*
 * After the victim's release: says in the record what became of the core.  A file that holds
 * nothing is removed.
 */
void capture_check(int dirfd, const struct capture_result *result, struct crash *crash)
{
	(void)crash_set_string(&crash->capture_mode, "pipe");
	crash->core_size = crash->captured_bytes = result->raw_size;
	crash->stored_size = result->stored_size;

	if (result->raw_size == 0) {
		cleanup_free char *reason = NULL;

		if (result->error == 0)
			(void)crash_set_string(&crash->reason, "the kernel sent no core");
		else if (asprintf(&reason, "nothing could be stored: %s",
				  strerror(-result->error)) >= 0)
			(void)crash_set_string(&crash->reason, reason);
		crash->outcome = CRASH_FAILED;
		crash->stored_size = 0;
		(void)unlinkat(dirfd, CRASH_CORE_ZST_NAME, 0);
		return;
	}
	(void)crash_set_string(&crash->core_file, CRASH_CORE_ZST_NAME);
	if (result->end == CAPTURE_DISK_FULL) {
		set_outcome(crash, CRASH_TRUNCATED, "the disk of the store is full");
		return;
	}
	if (result->end == CAPTURE_TIME_OVER) {
		set_outcome(crash, CRASH_TRUNCATED, "max_block is over: the dump took too long");
		return;
	}
	if (result->end == CAPTURE_ERROR) {
		set_outcome(crash, CRASH_TRUNCATED, strerror(-result->error));
		return;
	}
	cleanup_free char *shortfall = find_shortfall(dirfd, result);
	set_outcome(crash, shortfall ? CRASH_TRUNCATED : CRASH_STORED, shortfall);
}

static ssize_t read_stored(void *context, void *buf, size_t len, uint64_t offset)
{
	return pread(core_reader_fd(context), buf, len, (off_t)offset);
}

static int digest_of(elf_core_read_fn read_fn, struct core_reader *reader, capture_tick_fn tick,
		     void *tick_context, char hex[DIGEST_HEX_SIZE])
{
	cleanup_free char *buf = malloc(SEEKABLE_FRAME_BYTES);
	struct sha256_ctx ctx;
	uint64_t offset = 0;

	if (!buf)
		return -ENOMEM;
	digest_init(&ctx);
	for (;;) {
		ssize_t n = read_fn(reader, buf, SEEKABLE_FRAME_BYTES, offset);

		tick(tick_context);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		digest_update(&ctx, buf, (size_t)n);
		offset += (uint64_t)n;
	}
	digest_finish_hex(&ctx, hex);
	return 0;
}

/*
 * After the capture: SHA-256 of the stored file and of the raw core, into the record if they can be
 * had.  tick is called at least once for each MiB.
 */
void capture_digests(int dirfd, struct crash *crash, capture_tick_fn tick, void *tick_context)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	char hex[DIGEST_HEX_SIZE];

	if (!crash->core_file || core_reader_open_at(dirfd, crash->core_file, &reader) < 0)
		return;
	if (digest_of(read_stored, reader, tick, tick_context, hex) == 0)
		memcpy(crash->stored_sha256, hex, sizeof(hex));
	if (digest_of(read_core, reader, tick, tick_context, hex) == 0)
		memcpy(crash->core_sha256, hex, sizeof(hex));
}
