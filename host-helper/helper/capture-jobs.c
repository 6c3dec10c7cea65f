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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture-unpack.h"
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

/* What an error makes of a capture. */
enum capture_end capture_end_of(int error)
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

static void set_end(const struct capture_work *work, int error)
{
	work->shared.report->end = capture_end_of(error);
	work->shared.report->error = error;
}

/* --- the head: headers and notes --- */

static ssize_t read_head(void *context, void *buf, size_t len, uint64_t offset)
{
	const struct capture_work *work = context;
	uint64_t have = work->shared.report->taken;

	if (offset >= have)
		return 0;
	if (len > have - offset)
		len = (size_t)(have - offset);
	memcpy(buf, work->shared.head + offset, len);
	return (ssize_t)len;
}

/* Takes more off the pipe, until there are `len` bytes. 0, -ENODATA: the stream ended; -errno. */
static int take_head(const struct capture_work *work, uint64_t len)
{
	uint64_t have = work->shared.report->taken;
	size_t got = 0;

	if (len <= have)
		return 0;
	if (len > work->shared.head_space)
		return -E2BIG;
	int r = pipe_take(work->job.pipe_fd, work->shared.head + have, (size_t)(len - have),
			  work->job.deadline_us, work->shared.report, &got);
	return r < 0 ? r : have + got < len ? -ENODATA : 0;
}

static int take_map(struct capture_work *work)
{
	uint64_t len = sizeof(uint64_t[8]); /* an ELF header */
	cleanup_free char *maps = NULL;
	size_t maps_len;
	int r = take_head(work, len);

	if (r == 0)
		r = memory_map_header_size(work->shared.head, (size_t)len, &len);
	if (r == 0)
		r = take_head(work, len);
	if (r == 0)
		/* Another process may have read it before. */
		r = lseek(work->job.maps_fd, 0, SEEK_SET) < 0 ? -errno : 0;
	if (r == 0)
		r = fd_read_some(work->job.maps_fd, MAPS_BYTES_MAX, &maps, &maps_len);
	if (r == 0)
		r = memory_map_parse(work->shared.head, (size_t)len, maps, &work->map);
	return r < 0 ? r : take_head(work, work->map.data_offset);
}

static int run_look(struct capture_work *work)
{
	if (!work->has_looked) {
		work->look_error = take_map(work);
		/* Room for the first frame, taken while there is nothing else to do. */
		char *buffer = mmap(NULL, CAPTURE_BUFFER_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		work->buffer = buffer == MAP_FAILED ? NULL : buffer;
	}
	work->has_looked = true;
	return work->look_error;
}

static void report_fault(const struct capture_work *work, elf_core_read_fn read_fn, void *context)
{
	uint64_t address;

	if (elf_core_fault_address(read_fn, context, &address) == 0) {
		work->shared.report->fault_address = address;
		work->shared.report->has_fault_address = true;
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

	if (capture_end_of(error) == CAPTURE_DISK_FULL)
		make_room(writer);
	while ((r = seekable_writer_finish(writer)) < 0) {
		error = error ? error : r;
		/* Frames make room on a disk; they are no remedy for anything else. */
		if (capture_end_of(r) != CAPTURE_DISK_FULL || seekable_writer_drop_last(writer) < 0)
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
static void report_headers(const struct capture_work *work, elf_core_read_fn read_fn, void *context)
{
	uint64_t expected = 0;
	int r = elf_core_expected_size(read_fn, context, &expected);

	work->shared.report->is_core = r != -EINVAL;
	work->shared.report->expected = r == 0 ? expected : 0;
	report_fault(work, read_fn, context);
}

/* The rest of the kernel's stream, against what the file holds: the first difference, if any. */
static void verify_by_pipe(const struct capture_work *work, elf_core_read_fn read_fn, void *context)
{
	cleanup_free char *theirs = malloc(FRAME_BYTES_MAX);
	cleanup_free char *ours = malloc(FRAME_BYTES_MAX);
	struct capture_report *report = work->shared.report;
	uint64_t offset = report->taken;
	size_t len = FRAME_BYTES_MAX;

	while (theirs && ours && len == FRAME_BYTES_MAX) {
		if (pipe_take(work->job.pipe_fd, theirs, FRAME_BYTES_MAX, work->job.deadline_us,
			      report, &len) < 0)
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

static void report_file(const struct capture_work *work, const struct seekable_writer *writer)
{
	struct seekable_reader *reader = NULL;

	work->shared.report->raw_size = seekable_writer_raw_size(writer);
	work->shared.report->stored_size = seekable_writer_stored_size(writer);
	if (seekable_reader_new(work->job.zst_fd, &reader) == 0) {
		report_headers(work, read_seekable, reader);
		if (work->job.verify && work->job.kind == CAPTURE_JOB_FRAMES)
			verify_by_pipe(work, read_seekable, reader);
	}
	seekable_reader_free(&reader);
}

/* --- the jobs --- */

/*
 * True where what was copied, `complete` bytes, is all that can be had.  Where the memory is gone
 * the pipe may hold more: of a small core that the kernel did not wait for, all of it.
 */
static bool keep_part(const struct capture_work *work, int error, uint64_t complete)
{
	int more = 0;

	if (error == -ETIME || capture_end_of(error) == CAPTURE_LIMIT)
		return true;
	return error == -ESRCH && ioctl(work->job.pipe_fd, FIONREAD, &more) == 0 &&
	       work->shared.report->taken + (uint64_t)more < complete;
}

static int spool_memory(struct capture_work *work, struct memory_source *source)
{
	const struct memory_map *map = &work->map;
	const struct frame_pump pump = { .source = memory_source_frames(source),
					 .sink = spool_sink(&work->job.core_fd),
					 .threads = work->job.threads,
					 .frame_bytes = source->frame_bytes,
					 .buffer = source->frame_bytes <= CAPTURE_BUFFER_BYTES
							   ? work->buffer
							   : NULL,
					 .deadline_us = work->job.deadline_us };
	uint64_t complete = 0;

	if (ftruncate(work->job.core_fd, (off_t)map->core_size) < 0)
		return -errno;
	int r = frame_pump(&pump, &complete);
	if (r == LIMIT_MAX_BYTES && source->max_bytes < work->job.max_bytes)
		return -ENOSPC;
	if (r < 0 && (!keep_part(work, r, complete) || complete == 0))
		return r;
	set_end(work, r);
	work->shared.report->raw_size = r < 0 ? complete : map->core_size;
	if (r < 0 && ftruncate(work->job.core_fd, (off_t)complete) < 0)
		return -errno;
	work->shared.report->stored_size = work->shared.report->raw_size;
	if (work->job.verify && r == 0)
		verify_by_pipe(work, read_plain, &work->job.core_fd);
	return 0;
}

static int compress_memory(struct capture_work *work, struct memory_source *source)
{
	struct seekable_sink sink = { .level = CAPTURE_LEVEL, .max_stored = work->job.max_stored };
	const struct frame_pump pump = { .source = memory_source_frames(source),
					 .sink = seekable_sink_frames(&sink),
					 .threads = work->job.threads,
					 .frame_bytes = source->frame_bytes,
					 .deadline_us = work->job.deadline_us };
	uint64_t complete = 0;
	int r = seekable_writer_new(work->job.zst_fd, CAPTURE_LEVEL, &sink.writer);

	if (r == 0)
		r = frame_pump(&pump, &complete);
	if (r == 0 || keep_part(work, r, complete) || capture_end_of(r) == CAPTURE_DISK_FULL) {
		set_end(work, finish_file(sink.writer, r));
		report_file(work, sink.writer);
		r = 0;
	}
	seekable_writer_free(&sink.writer);
	return r;
}

/* 0: what there is is in the file; -errno: take the pipe, of which `taken` bytes are in head. */
static int run_memory(struct capture_work *work)
{
	struct memory_source *source = calloc(1, sizeof(*source));
	int r = source ? run_look(work) : -ENOMEM;

	if (r == 0) {
		bool spool = work->job.kind == CAPTURE_JOB_SPOOL;

		source->mem_fd = work->job.mem_fd;
		source->head = work->shared.head;
		source->map = &work->map;
		source->frame_bytes = spool ? work->job.frame_bytes : FRAME_BYTES_MAX;
		source->max_bytes = spool && work->job.max_spool < work->job.max_bytes
					    ? work->job.max_spool
					    : work->job.max_bytes;
		source->max_offset = work->job.max_offset;
		memory_source_init(source, work->job.pagemap_fd);
		r = spool ? spool_memory(work, source) : compress_memory(work, source);
		work->shared.report->copied = source->copied + work->map.data_offset;
	}
	if (r == 0) {
		work->shared.report->is_core = true;
		work->shared.report->expected = work->map.core_size;
		report_fault(work, read_head, work);
	}
	free(source);
	memory_map_release(&work->map);
	return r;
}

/* What was taken before: as far as it is there still, and zeros for what is lost. */
static int add_taken(const struct capture_work *work, struct seekable_writer *writer)
{
	uint64_t taken = work->shared.report->taken, have = work->job.head_len;
	int r = seekable_writer_mend(writer);

	for (uint64_t at = seekable_writer_raw_size(writer); r == 0 && at < have;) {
		size_t len = have - at < FRAME_BYTES_MAX ? (size_t)(have - at) : FRAME_BYTES_MAX;

		r = seekable_writer_add(writer, work->shared.head + at, len);
		at += len;
	}
	uint64_t at = seekable_writer_raw_size(writer);
	if (r < 0 || at >= taken)
		return r;
	work->shared.report->lost = true;
	return seekable_writer_add_zeros(writer, taken - at);
}

static int run_pipe(struct capture_work *work)
{
	struct seekable_sink sink = { .level = CAPTURE_LEVEL, .max_stored = work->job.max_stored };
	struct pipe_source source = { .pipe_fd = work->job.pipe_fd,
				      .deadline_us = work->job.deadline_us,
				      .max_bytes = work->job.max_bytes,
				      .max_offset = work->job.max_offset,
				      .report = work->shared.report };
	const struct frame_pump pump = { .source = pipe_source_frames(&source),
					 .sink = seekable_sink_frames(&sink),
					 .threads = work->job.threads,
					 .frame_bytes = FRAME_BYTES_MAX,
					 .deadline_us = work->job.deadline_us };
	uint64_t complete = 0;
	int r = seekable_writer_new(work->job.zst_fd, CAPTURE_LEVEL, &sink.writer);

	if (r < 0)
		return r;
	r = add_taken(work, sink.writer);
	source.position = work->shared.report->taken;
	if (r == 0)
		r = frame_pump(&pump, &complete);
	set_end(work, finish_file(sink.writer, r));
	report_file(work, sink.writer);
	work->shared.report->copied = work->shared.report->raw_size;
	seekable_writer_free(&sink.writer);
	return 0;
}

static int run_check(struct capture_work *work)
{
	struct stat st;

	if (fstat(work->job.core_fd, &st) < 0)
		return -errno;
	work->shared.report->raw_size = work->shared.report->stored_size = (uint64_t)st.st_size;
	report_headers(work, read_plain, &work->job.core_fd);
	return 0;
}

static int run_mend(struct capture_work *work)
{
	struct seekable_writer *writer = NULL;
	int r = seekable_writer_new(work->job.zst_fd, CAPTURE_LEVEL, &writer);

	if (r == 0)
		r = seekable_writer_mend(writer);
	if (r == 0)
		r = finish_file(writer, 0);
	if (r == 0)
		report_file(work, writer);
	seekable_writer_free(&writer);
	return r;
}

static int run_compress(struct capture_work *work)
{
	struct sha256_ctx raw, stored;
	struct seekable_sink sink = { .level = CAPTURE_LEVEL, .max_stored = UINT64_MAX };
	struct spool_source source = { .fd = work->job.core_fd };
	const struct frame_pump pump = { .source = spool_source_frames(&source),
					 .sink = seekable_sink_frames(&sink),
					 .threads = work->job.threads,
					 .frame_bytes = FRAME_BYTES_MAX,
					 .deadline_us = UINT64_MAX };
	uint64_t complete = 0;
	int r = spool_source_init(&source);

	digest_init(&raw);
	digest_init(&stored);
	if (r == 0 && source.size <= work->job.digest_max)
		sink.raw_digest = &raw;
	/* Another process may have begun it. */
	if (r == 0 && ftruncate(work->job.zst_fd, 0) < 0)
		r = -errno;
	if (r == 0)
		r = seekable_writer_new(work->job.zst_fd, CAPTURE_LEVEL, &sink.writer);
	if (r == 0) {
		seekable_writer_digest(sink.writer, &stored);
		r = frame_pump(&pump, &complete);
	}
	if (r == 0)
		r = seekable_writer_finish(sink.writer);
	if (r == 0) {
		work->shared.report->stored_size = seekable_writer_stored_size(sink.writer);
		digest_finish_hex(&stored, work->shared.report->stored_sha256);
		if (sink.raw_digest)
			digest_finish_hex(&raw, work->shared.report->core_sha256);
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

static int run_digest(struct capture_work *work)
{
	struct capture_report *report = work->shared.report;
	struct seekable_reader *reader = NULL;
	struct stat st;
	int fd = work->job.core_fd >= 0 ? work->job.core_fd : work->job.zst_fd;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	/* The same limit for a raw file: nearly all of a huge one is holes. */
	if (r < 0 || (work->job.core_fd >= 0 && (uint64_t)st.st_size > work->job.digest_max))
		return r;
	r = digest_of(read_plain, &fd, report->stored_sha256);
	if (r == 0 && work->job.core_fd >= 0)
		memcpy(report->core_sha256, report->stored_sha256, DIGEST_HEX_SIZE);
	if (r == 0 && work->job.zst_fd >= 0)
		r = seekable_reader_new(work->job.zst_fd, &reader);
	/* Hashing the holes of a huge sparse core helps nobody: its frames have checksums. */
	if (r == 0 && reader && seekable_reader_size(reader) <= work->job.digest_max)
		r = digest_of(read_seekable, reader, report->core_sha256);
	seekable_reader_free(&reader);
	return r;
}

static int run_measure(struct capture_work *work)
{
	return capture_measure(work->job.zst_fd, &work->shared.report->raw_size);
}

static int run_unpack(struct capture_work *work)
{
	return capture_unpack(work->job.core_fd, work->job.zst_fd, work->job.out_fd);
}

/* A job without descriptors, limits and end. */
void capture_job_init(struct capture_job *job)
{
	*job = (struct capture_job){ .pipe_fd = -1,
				     .mem_fd = -1,
				     .pagemap_fd = -1,
				     .maps_fd = -1,
				     .core_fd = -1,
				     .zst_fd = -1,
				     .out_fd = -1,
				     .threads = 1,
				     .frame_bytes = FRAME_BYTES_MAX,
				     .deadline_us = UINT64_MAX,
				     .max_bytes = UINT64_MAX,
				     .max_offset = UINT64_MAX,
				     .max_stored = UINT64_MAX };
}

/*
 * Does the job, and reports.  To be called in the sandbox.  False: another one follows, for which
 * this was to prepare.
 */
bool capture_job_run(struct capture_work *work)
{
	static int (*const runs[])(struct capture_work *) = {
		[CAPTURE_JOB_LOOK] = run_look,	       [CAPTURE_JOB_SPOOL] = run_memory,
		[CAPTURE_JOB_FRAMES] = run_memory,     [CAPTURE_JOB_PIPE] = run_pipe,
		[CAPTURE_JOB_CHECK] = run_check,       [CAPTURE_JOB_MEND] = run_mend,
		[CAPTURE_JOB_COMPRESS] = run_compress, [CAPTURE_JOB_DIGEST] = run_digest,
		[CAPTURE_JOB_MEASURE] = run_measure,   [CAPTURE_JOB_UNPACK] = run_unpack,
	};

	set_end(work, 0);
	int r = runs[work->job.kind](work);
	if (work->job.kind == CAPTURE_JOB_LOOK)
		return false; /* an error of it is told by the next job */
	if (r < 0)
		set_end(work, r);
	atomic_store(&work->shared.report->done, true);
	return true;
}
