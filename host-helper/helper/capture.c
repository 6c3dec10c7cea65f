// SPDX-License-Identifier: MIT
/*
 * The core, out of the kernel's pipe or the victim's memory, into a file of the store.
 *
 * The bytes are the victim's memory.  Here they are copied, or compressed, and nothing in them is
 * looked at; their headers are read again afterwards, from the file, to know whether the core is
 * whole. Whatever fails, the pipe is let go and what there is is kept, and called what it is.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "capture-memory.h"
#include "clock.h"
#include "core-reader.h"
#include "digest.h"
#include "elf-core.h"
#include "fd.h"
#include "pipe-read.h"
#include "seekable-format.h"
#include "seekable.h"
#include "victim.h"

#define CAPTURE_LEVEL 1 /* zstd's: a victim waits */

/* A disk that was full for the core is full for the record too: this much is given back. */
#define CAPTURE_ROOM_BYTES (256U << 10)

/* A spool of this size is no question of memory. */
#define SPOOL_ALWAYS_BYTES   (64ULL << 20)
#define DIGEST_RAW_MAX_BYTES (16ULL << 30)

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

static int copy_frames(const struct capture_request *request, struct seekable_writer *writer,
		       const struct memory_head *head, uint64_t deadline_us)
{
	cleanup_free char *buf = malloc(SEEKABLE_FRAME_BYTES);
	size_t from_head = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		/* What was taken from the pipe before comes first. */
		size_t left = head->len - from_head, len = 0;
		size_t have = left < SEEKABLE_FRAME_BYTES ? left : SEEKABLE_FRAME_BYTES;

		if (have > 0)
			memcpy(buf, head->data + from_head, have);
		from_head += have;
		int end = pipe_read(request->pipe_fd, buf + have, SEEKABLE_FRAME_BYTES - have,
				    deadline_us, &len);
		int r = have + len > 0 ? seekable_writer_add(writer, buf, have + len) : 0;

		if (r < 0)
			return r;
		if (end < 0 || have + len < SEEKABLE_FRAME_BYTES)
			return end;
	}
}

static int create_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* Ends the file in the seekable format with what there is room for. */
static int finish(struct seekable_writer *writer, bool disk_full)
{
	int r, first = 0;

	if (disk_full)
		make_room(writer);
	while ((r = seekable_writer_finish(writer)) < 0) {
		first = first ? first : r;
		if (seekable_writer_drop_last(writer) < 0)
			break;
	}
	return first;
}

/* From the pipe, compressed on the way; head: what of it was read before. */
static void capture_pipe(const struct capture_request *request, const struct memory_head *head,
			 uint64_t deadline_us, struct capture_result *result)
{
	struct seekable_writer *writer = NULL;
	cleanup_fd int fd = create_file(request->dirfd, CRASH_CORE_ZST_NAME);
	int r = fd < 0 ? fd : seekable_writer_new(fd, CAPTURE_LEVEL, &writer);

	if (r == 0)
		r = copy_frames(request, writer, head, deadline_us);
	result->end = r < 0 ? end_of_error(r) : CAPTURE_WHOLE;
	result->error = r;
	if (writer) {
		r = finish(writer, result->end == CAPTURE_DISK_FULL);
		if (r < 0) {
			result->end = end_of_error(r);
			result->error = r;
		}
		result->file = CRASH_CORE_ZST_NAME;
		result->raw_size = result->copied = seekable_writer_raw_size(writer);
		result->stored_size = seekable_writer_stored_size(writer);
	}
	seekable_writer_free(&writer);
}

/* The rest of the kernel's stream, against what the file holds: the first difference, if any. */
static void verify_by_pipe(const struct capture_request *request, int spool_fd, uint64_t offset,
			   uint64_t deadline_us, struct capture_result *result)
{
	cleanup_free char *theirs = malloc(SEEKABLE_FRAME_BYTES);
	cleanup_free char *ours = malloc(SEEKABLE_FRAME_BYTES);
	size_t len = SEEKABLE_FRAME_BYTES;

	while (theirs && ours && len == SEEKABLE_FRAME_BYTES) {
		if (pipe_read(request->pipe_fd, theirs, SEEKABLE_FRAME_BYTES, deadline_us, &len) <
		    0)
			return;
		if (len > 0 && fd_pread_all(spool_fd, ours, len, offset) < 0)
			memset(ours, 0, len);
		for (size_t i = 0; i < len; i++)
			if (theirs[i] != ours[i]) {
				result->differs_at = offset + i;
				return;
			}
		offset += len;
	}
	result->differs_at = offset;
	result->verified = offset == result->raw_size;
}

/*
 * From memory, raw and sparse.  0; or -errno, and then the pipe has the rest of the stream behind
 * *ret_head.
 */
static int capture_spool(const struct capture_request *request, uint64_t deadline_us,
			 struct memory_head *ret_head, struct capture_result *result)
{
	cleanup_fd int mem = openat(request->procfd, "mem", O_RDONLY | O_CLOEXEC);
	cleanup_fd int pagemap = openat(request->procfd, "pagemap", O_RDONLY | O_CLOEXEC);
	struct memory_capture capture = { .mem_fd = mem,
					  .pagemap_fd = pagemap,
					  .maps = request->maps,
					  .deadline_us = deadline_us };

	if (mem < 0 || pagemap < 0)
		return -errno;
	cleanup_fd int spool = create_file(request->dirfd, CRASH_CORE_RAW_NAME);
	if (spool < 0)
		return spool;
	int r = capture_memory(&capture, request->pipe_fd, spool, ret_head, &result->raw_size,
			       &result->copied);
	/* Out of time, the pipe has no more to give either: what was copied is kept, as a part. */
	bool partial = r == -ETIME && result->copied > 0;
	if (r < 0 && !partial) {
		(void)unlinkat(request->dirfd, CRASH_CORE_RAW_NAME, 0);
		return r;
	}
	if (partial) {
		result->end = CAPTURE_TIME_OVER;
		result->error = r;
	}
	result->copied += ret_head->len;
	result->stored_size = result->raw_size;
	result->file = CRASH_CORE_RAW_NAME;
	if (request->verify && !partial)
		verify_by_pipe(request, spool, ret_head->len, deadline_us, result);
	return 0;
}

/* True if the spool has room: in what is allowed, on the disk, and in memory (it is page cache
 * first). */
static bool fits_spool(const struct capture_request *request)
{
	struct statvfs disk;
	struct sysinfo memory;
	uint64_t need = request->resident_bytes;

	if (request->procfd < 0 || !request->maps || need > request->spool_max)
		return false;
	if (fstatvfs(request->dirfd, &disk) < 0 ||
	    need > (uint64_t)disk.f_bavail * disk.f_frsize / 2)
		return false;
	/* Free memory alone, without what could be freed, is on the safe side. */
	return need < SPOOL_ALWAYS_BYTES ||
	       (sysinfo(&memory) == 0 &&
		need < ((uint64_t)memory.freeram + memory.bufferram) * memory.mem_unit / 2);
}

/*
 * Captures the core into request->dirfd.  It never fails as a whole: *ret_result tells how far it
 * came.
 */
void capture_core(const struct capture_request *request, struct capture_result *ret_result)
{
	uint64_t deadline_us = clock_monotonic_us() + request->max_block_ms * 1000;
	struct memory_head head = { NULL, 0 };

	*ret_result = (struct capture_result){ .end = CAPTURE_WHOLE };
	(void)fcntl(request->pipe_fd, F_SETPIPE_SZ, (int)SEEKABLE_FRAME_BYTES);
	if (!fits_spool(request) || capture_spool(request, deadline_us, &head, ret_result) < 0) {
		*ret_result = (struct capture_result){ .end = CAPTURE_WHOLE };
		capture_pipe(request, &head, deadline_us, ret_result);
	}
	free(head.data);
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

	int r = core_reader_open_at(dirfd, result->file, &reader);
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

static void set_nothing(const struct capture_request *request, const struct capture_result *result,
			struct crash *crash)
{
	cleanup_free char *reason = NULL;

	if (result->error < 0 &&
	    asprintf(&reason, "nothing could be stored: %s", strerror(-result->error)) < 0)
		reason = NULL;
	set_outcome(crash, CRASH_FAILED, reason ? reason : "the kernel sent no core");
	crash->stored_size = 0;
	if (result->file)
		(void)unlinkat(request->dirfd, result->file, 0);
}

static void set_verified(const struct capture_result *result, struct crash *crash)
{
	cleanup_free char *text = NULL;

	if (!result->verified && asprintf(&text, "differs from the kernel's stream at byte %llu",
					  (unsigned long long)result->differs_at) < 0)
		text = NULL;
	(void)crash_set_string(&crash->verified, result->verified ? "same" : text);
}

/*
 * Says in the record what became of the core.  A file that holds nothing is removed.
 */
void capture_check(const struct capture_request *request, const struct capture_result *result,
		   struct crash *crash)
{
	bool from_memory = result->file && strcmp(result->file, CRASH_CORE_RAW_NAME) == 0;

	(void)crash_set_string(&crash->capture_mode, from_memory ? "memory" : "pipe");
	crash->core_size = result->raw_size;
	crash->stored_size = result->stored_size;
	crash->captured_bytes = result->copied;
	crash->holes_bytes = result->raw_size - result->copied;
	if (request->verify && from_memory && result->end == CAPTURE_WHOLE)
		set_verified(result, crash);

	if (result->raw_size == 0) {
		set_nothing(request, result, crash);
		return;
	}
	(void)crash_set_string(&crash->core_file, result->file);
	switch (result->end) {
	case CAPTURE_DISK_FULL:
		set_outcome(crash, CRASH_TRUNCATED, "the disk of the store is full");
		return;
	case CAPTURE_TIME_OVER:
		set_outcome(crash, CRASH_TRUNCATED, "max_block is over: the dump took too long");
		return;
	case CAPTURE_ERROR:
		set_outcome(crash, CRASH_TRUNCATED, strerror(-result->error));
		return;
	case CAPTURE_WHOLE:
		break;
	}
	cleanup_free char *shortfall = find_shortfall(request->dirfd, result);
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
	/* Hashing the holes of a huge sparse core helps nobody: its frames have checksums. */
	if (crash->core_size <= DIGEST_RAW_MAX_BYTES &&
	    digest_of(read_core, reader, tick, tick_context, hex) == 0)
		memcpy(crash->core_sha256, hex, sizeof(hex));
}
