// SPDX-License-Identifier: MIT
/*
 * The work that is done on the victim's bytes.
 *
 * All of this runs in a process that has nothing to lose (sandbox.c).  The bytes are the victim's:
 * copied, compressed, hashed; of the headers no number is used unchecked.  Whatever fails, what
 * there is is kept, and called what it is.
 */
#include "capture-jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf-core.h"
#include "fd.h"
#include "frame-pump.h"
#include "frame-sinks.h"
#include "memory-map.h"
#include "memory-source.h"
#include "pipe-source.h"
#include "seekable.h"
#include "spool-source.h"

#define CAPTURE_LEVEL  1 /* zstd's */
#define MAPS_BYTES_MAX (64U << 20)

/* A disk that was full for the core is full for the record too: this much is given back. */
#define CAPTURE_ROOM_BYTES (256U << 10)

static enum capture_end end_of_error(int error)
{
	switch (error) {
	case 0:
		return CAPTURE_WHOLE;
	case -ETIME:
		return CAPTURE_TIME_OVER;
	case LIMIT_MAX_BYTES:
	case LIMIT_MAX_OFFSET:
	case LIMIT_MAX_STORED:
		return CAPTURE_LIMIT;
	case -ESRCH:
		return CAPTURE_KILLED;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return CAPTURE_DISK_FULL;
	default:
		return CAPTURE_ERROR;
	}
}

static void set_end(const struct capture_job *job, int error)
{
	job->report->end = end_of_error(error);
	job->report->error = error;
}

/* --- the head: headers and notes --- */

static ssize_t read_head(void *context, void *buf, size_t len, uint64_t offset)
{
	const struct capture_job *job = context;
	uint64_t have = job->report->taken;

	if (offset >= have)
		return 0;
	if (len > have - offset)
		len = (size_t)(have - offset);
	memcpy(buf, job->head + offset, len);
	return (ssize_t)len;
}

/* Takes more off the pipe, until there are `len` bytes. 0, -ENODATA: the stream ended; -errno. */
static int take_head(const struct capture_job *job, uint64_t len)
{
	uint64_t have = job->report->taken;
	size_t got = 0;

	if (len <= have)
		return 0;
	if (len > CAPTURE_HEAD_BYTES_MAX)
		return -E2BIG;
	int r = pipe_take(job->pipe_fd, job->head + have, (size_t)(len - have), job->deadline_us,
			  job->report, &got);
	return r < 0 ? r : have + got < len ? -ENODATA : 0;
}

static int take_map(const struct capture_job *job, struct memory_map *ret_map)
{
	uint64_t len = sizeof(uint64_t[8]); /* an ELF header */
	cleanup_free char *maps = NULL;
	size_t maps_len;
	int r = take_head(job, len);

	if (r == 0)
		r = memory_map_header_size(job->head, (size_t)len, &len);
	if (r == 0)
		r = take_head(job, len);
	if (r == 0)
		r = fd_read_some(job->maps_fd, MAPS_BYTES_MAX, &maps, &maps_len);
	if (r == 0)
		r = memory_map_parse(job->head, (size_t)len, maps, ret_map);
	if (r < 0)
		return r;
	r = take_head(job, ret_map->data_offset);
	if (r < 0)
		memory_map_release(ret_map);
	return r;
}

static void report_fault(const struct capture_job *job, elf_core_read_fn read_fn, void *context)
{
	uint64_t address;

	if (elf_core_fault_address(read_fn, context, &address) == 0) {
		job->report->fault_address = address;
		job->report->has_fault_address = true;
	}
}

/* --- the seekable file --- */

/* Takes frames back until there is room for the table and the record. */
static void make_room(struct seekable_writer *writer)
{
	uint64_t full = seekable_writer_stored_size(writer);

	while (full - seekable_writer_stored_size(writer) < CAPTURE_ROOM_BYTES)
		if (seekable_writer_drop_last(writer) < 0)
			break;
}

/* Ends the file with what there is room for.  error: how it came to its end. */
static int finish_file(struct seekable_writer *writer, int error)
{
	int r;

	if (end_of_error(error) == CAPTURE_DISK_FULL)
		make_room(writer);
	while ((r = seekable_writer_finish(writer)) < 0) {
		error = error ? error : r;
		if (seekable_writer_drop_last(writer) < 0)
			break;
	}
	return error;
}

static ssize_t read_seekable(void *context, void *buf, size_t len, uint64_t offset)
{
	return seekable_reader_pread(context, buf, len, offset);
}

static ssize_t read_plain(void *context, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pread(*(const int *)context, buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

/* What the headers say of the core that was stored. */
static void report_headers(const struct capture_job *job, elf_core_read_fn read_fn, void *context)
{
	uint64_t expected = 0;
	int r = elf_core_expected_size(read_fn, context, &expected);

	job->report->is_core = r != -EINVAL;
	job->report->expected = r == 0 ? expected : 0;
	report_fault(job, read_fn, context);
}

/* The rest of the kernel's stream, against what the file holds: the first difference, if any. */
static void verify_by_pipe(const struct capture_job *job, elf_core_read_fn read_fn, void *context)
{
	cleanup_free char *theirs = malloc(FRAME_BYTES_MAX);
	cleanup_free char *ours = malloc(FRAME_BYTES_MAX);
	struct capture_report *report = job->report;
	uint64_t offset = report->taken;
	size_t len = FRAME_BYTES_MAX;

	while (theirs && ours && len == FRAME_BYTES_MAX) {
		if (pipe_take(job->pipe_fd, theirs, FRAME_BYTES_MAX, job->deadline_us, report,
			      &len) < 0)
			return;
		if (read_fn(context, ours, len, offset) != (ssize_t)len)
			memset(ours, 0xff, len); /* differs from the zeros that are likely there */
		for (size_t i = 0; i < len; i++)
			if (theirs[i] != ours[i]) {
				report->differs_at = offset + i;
				return;
			}
		offset += len;
	}
	report->differs_at = offset;
	report->verified = offset == report->raw_size;
}

static void report_file(const struct capture_job *job, const struct seekable_writer *writer)
{
	struct seekable_reader *reader = NULL;

	job->report->raw_size = seekable_writer_raw_size(writer);
	job->report->stored_size = seekable_writer_stored_size(writer);
	if (seekable_reader_new(job->zst_fd, &reader) == 0) {
		report_headers(job, read_seekable, reader);
		if (job->verify && job->kind == CAPTURE_JOB_FRAMES)
			verify_by_pipe(job, read_seekable, reader);
	}
	seekable_reader_free(&reader);
}

/* --- the jobs --- */

/*
 * True where what was copied, `complete` bytes, is all that can be had.  Where the memory is gone
 * the pipe may hold more: of a small core that the kernel did not wait for, all of it.
 */
static bool keep_part(const struct capture_job *job, int error, uint64_t complete)
{
	int more = 0;

	if (error == -ETIME || end_of_error(error) == CAPTURE_LIMIT)
		return true;
	return error == -ESRCH && ioctl(job->pipe_fd, FIONREAD, &more) == 0 &&
	       job->report->taken + (uint64_t)more < complete;
}

static int spool_memory(struct capture_job *job, struct memory_source *source,
			const struct memory_map *map)
{
	struct frame_source frames = memory_source_frames(source);
	struct frame_sink sink = spool_sink(&job->core_fd);
	uint64_t complete = 0;

	if (ftruncate(job->core_fd, (off_t)map->core_size) < 0)
		return -errno;
	int r = frame_pump(&frames, &sink, job->threads, source->frame_bytes, job->deadline_us,
			   &complete);
	if (r < 0 && (!keep_part(job, r, complete) || complete == 0))
		return r;
	set_end(job, r);
	job->report->raw_size = r < 0 ? complete : map->core_size;
	if (r < 0 && ftruncate(job->core_fd, (off_t)complete) < 0)
		return -errno;
	job->report->stored_size = job->report->raw_size;
	if (job->verify && r == 0)
		verify_by_pipe(job, read_plain, &job->core_fd);
	return 0;
}

static int compress_memory(struct capture_job *job, struct memory_source *source)
{
	struct seekable_sink sink = { .level = CAPTURE_LEVEL, .max_stored = job->max_stored };
	struct frame_source frames = memory_source_frames(source);
	struct frame_sink sink_frames = seekable_sink_frames(&sink);
	uint64_t complete = 0;
	int r = seekable_writer_new(job->zst_fd, CAPTURE_LEVEL, &sink.writer);

	if (r == 0)
		r = frame_pump(&frames, &sink_frames, job->threads, source->frame_bytes,
			       job->deadline_us, &complete);
	if (r == 0 || keep_part(job, r, complete) || end_of_error(r) == CAPTURE_DISK_FULL) {
		set_end(job, finish_file(sink.writer, r));
		report_file(job, sink.writer);
		r = 0;
	}
	seekable_writer_free(&sink.writer);
	return r;
}

/* 0: what there is is in the file; -errno: take the pipe, of which `taken` bytes are in head. */
static int run_memory(struct capture_job *job)
{
	struct memory_map map = { NULL, 0, 0, 0 };
	struct memory_source *source = calloc(1, sizeof(*source));
	int r = source ? take_map(job, &map) : -ENOMEM;

	if (r == 0) {
		source->mem_fd = job->mem_fd;
		source->head = job->head;
		source->map = &map;
		source->frame_bytes =
			job->kind == CAPTURE_JOB_SPOOL ? job->frame_bytes : FRAME_BYTES_MAX;
		source->max_bytes = job->max_bytes;
		source->max_offset = job->max_offset;
		memory_source_init(source, job->pagemap_fd);
		r = job->kind == CAPTURE_JOB_SPOOL ? spool_memory(job, source, &map)
						   : compress_memory(job, source);
		job->report->copied = source->copied + map.data_offset;
	}
	if (r == 0) {
		job->report->is_core = true;
		job->report->expected = map.core_size;
		report_fault(job, read_head, job);
	}
	memory_map_release(&map);
	free(source);
	return r;
}

/* What was taken before: as far as it is there still, and zeros for what is lost. */
static int add_taken(const struct capture_job *job, struct seekable_writer *writer)
{
	uint64_t taken = job->report->taken, have = job->head_len;
	int r = seekable_writer_mend(writer);

	for (uint64_t at = seekable_writer_raw_size(writer); r == 0 && at < have;) {
		size_t len = have - at < FRAME_BYTES_MAX ? (size_t)(have - at) : FRAME_BYTES_MAX;

		r = seekable_writer_add(writer, job->head + at, len);
		at += len;
	}
	uint64_t at = seekable_writer_raw_size(writer);
	if (r < 0 || at >= taken)
		return r;
	job->report->lost = true;
	return seekable_writer_add_zeros(writer, taken - at);
}

static int run_pipe(struct capture_job *job)
{
	struct seekable_sink sink = { .level = CAPTURE_LEVEL, .max_stored = job->max_stored };
	struct pipe_source source = { .pipe_fd = job->pipe_fd,
				      .deadline_us = job->deadline_us,
				      .max_bytes = job->max_bytes,
				      .max_offset = job->max_offset,
				      .report = job->report };
	struct frame_source frames = pipe_source_frames(&source);
	struct frame_sink sink_frames = seekable_sink_frames(&sink);
	uint64_t complete = 0;
	int r = seekable_writer_new(job->zst_fd, CAPTURE_LEVEL, &sink.writer);

	if (r < 0)
		return r;
	r = add_taken(job, sink.writer);
	source.position = job->report->taken;
	if (r == 0)
		r = frame_pump(&frames, &sink_frames, job->threads, FRAME_BYTES_MAX,
			       job->deadline_us, &complete);
	set_end(job, finish_file(sink.writer, r));
	report_file(job, sink.writer);
	job->report->copied = job->report->raw_size;
	seekable_writer_free(&sink.writer);
	return 0;
}

static int run_check(struct capture_job *job)
{
	struct stat st;

	if (fstat(job->core_fd, &st) < 0)
		return -errno;
	job->report->raw_size = job->report->stored_size = (uint64_t)st.st_size;
	report_headers(job, read_plain, &job->core_fd);
	return 0;
}

static int run_mend(struct capture_job *job)
{
	struct seekable_writer *writer = NULL;
	int r = seekable_writer_new(job->zst_fd, CAPTURE_LEVEL, &writer);

	if (r == 0)
		r = seekable_writer_mend(writer);
	if (r == 0)
		r = finish_file(writer, 0);
	if (r == 0)
		report_file(job, writer);
	seekable_writer_free(&writer);
	return r;
}

static int run_compress(struct capture_job *job)
{
	struct sha256_ctx raw, stored;
	struct seekable_sink sink = { .level = CAPTURE_LEVEL, .max_stored = UINT64_MAX };
	struct spool_source source = { .fd = job->core_fd };
	struct frame_source frames = spool_source_frames(&source);
	struct frame_sink sink_frames = seekable_sink_frames(&sink);
	uint64_t complete = 0;
	int r = spool_source_init(&source);

	digest_init(&raw);
	digest_init(&stored);
	if (r == 0 && source.size <= job->digest_max)
		sink.raw_digest = &raw;
	if (r == 0)
		r = seekable_writer_new(job->zst_fd, CAPTURE_LEVEL, &sink.writer);
	if (r == 0) {
		seekable_writer_digest(sink.writer, &stored);
		r = frame_pump(&frames, &sink_frames, job->threads, FRAME_BYTES_MAX, UINT64_MAX,
			       &complete);
	}
	if (r == 0)
		r = seekable_writer_finish(sink.writer);
	if (r == 0) {
		job->report->stored_size = seekable_writer_stored_size(sink.writer);
		digest_finish_hex(&stored, job->report->stored_sha256);
		if (sink.raw_digest)
			digest_finish_hex(&raw, job->report->core_sha256);
	}
	seekable_writer_free(&sink.writer);
	return r;
}

static int digest_of(elf_core_read_fn read_fn, void *context, char hex[DIGEST_HEX_SIZE])
{
	cleanup_free char *buf = malloc(FRAME_BYTES_MAX);
	struct sha256_ctx ctx;
	uint64_t offset = 0;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	digest_init(&ctx);
	while ((n = read_fn(context, buf, FRAME_BYTES_MAX, offset)) > 0) {
		digest_update(&ctx, buf, (size_t)n);
		offset += (uint64_t)n;
	}
	if (n == 0)
		digest_finish_hex(&ctx, hex);
	return (int)n;
}

static int run_digest(struct capture_job *job)
{
	struct capture_report *report = job->report;
	struct seekable_reader *reader = NULL;
	struct stat st;
	int fd = job->core_fd >= 0 ? job->core_fd : job->zst_fd;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	/* The same limit for a raw file: nearly all of a huge one is holes. */
	if (r < 0 || (job->core_fd >= 0 && (uint64_t)st.st_size > job->digest_max))
		return r;
	r = digest_of(read_plain, &fd, report->stored_sha256);
	if (r == 0 && job->core_fd >= 0)
		memcpy(report->core_sha256, report->stored_sha256, DIGEST_HEX_SIZE);
	if (r == 0 && job->zst_fd >= 0)
		r = seekable_reader_new(job->zst_fd, &reader);
	/* Hashing the holes of a huge sparse core helps nobody: its frames have checksums. */
	if (r == 0 && reader && seekable_reader_size(reader) <= job->digest_max)
		r = digest_of(read_seekable, reader, report->core_sha256);
	seekable_reader_free(&reader);
	return r;
}

/* Does the job, and reports.  To be called in the sandbox. */
void capture_job_run(struct capture_job *job)
{
	static int (*const runs[])(struct capture_job *) = {
		[CAPTURE_JOB_SPOOL] = run_memory,  [CAPTURE_JOB_FRAMES] = run_memory,
		[CAPTURE_JOB_PIPE] = run_pipe,	   [CAPTURE_JOB_CHECK] = run_check,
		[CAPTURE_JOB_MEND] = run_mend,	   [CAPTURE_JOB_COMPRESS] = run_compress,
		[CAPTURE_JOB_DIGEST] = run_digest,
	};

	set_end(job, 0);
	int r = runs[job->kind](job);
	if (r < 0)
		set_end(job, r);
	atomic_store(&job->report->done, true);
}
