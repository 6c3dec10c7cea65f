// SPDX-License-Identifier: MIT
/*
 * The core, out of the victim's memory or the kernel's pipe, into a file of the store.
 *
 * The victim's bytes are handled by confined processes (confined.c): here it is decided which way
 * is taken, and another one where that fails.  Of the bytes nothing is looked at here; the last
 * way, when no confined process comes to an end, copies them as they are.  Whatever fails, the pipe
 * is let go and what there is is kept, and called what it is.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "pipe-source.h"

/* A spool of this size is no question of memory. */
#define SPOOL_ALWAYS_BYTES (64ULL << 20)
/* Below, a second thread costs more than it brings; and so does a large buffer. */
#define ONE_THREAD_BYTES (512ULL << 10)
#define SMALL_BYTES	 (8ULL << 20)
/* Large pieces, aligned in the file: the page cache takes large folios then. */
#define FRAME_BYTES FRAME_BYTES_MAX
/* A process that does not keep to its deadline waits in the kernel. */
#define GRACE_US   2000000U
#define PIPE_BYTES (1 << 20)

/* How many threads may work: one for each processor, but not more than PUMP_THREADS_MAX. */
unsigned capture_threads(void)
{
	cpu_set_t cpus;
	int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	return count > PUMP_THREADS_MAX ? PUMP_THREADS_MAX : count < 1 ? 1 : (unsigned)count;
}

/* Makes the memory that confined processes share with us. 0 or -errno. */
int capture_share(struct capture_shared *ret)
{
	char *shared = MAP_FAILED;

	/* Where all that may be used is counted (vm.overcommit_memory 2), so much may be too much,
	 * and less will do: a longer head is taken from the pipe. */
	for (size_t space = CAPTURE_HEAD_BYTES_MAX;
	     shared == MAP_FAILED && space >= CAPTURE_HEAD_BYTES_LEAST; space /= 8) {
		ret->head_space = space;
		shared = mmap(NULL, sizeof(struct capture_report) + space, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	}
	if (shared == MAP_FAILED)
		return -errno;
	ret->report = (struct capture_report *)(void *)shared;
	ret->head = shared + sizeof(struct capture_report);
	return 0;
}

/* Frees it. */
void capture_unshare(struct capture_shared *shared)
{
	if (shared->report)
		munmap(shared->report, sizeof(struct capture_report) + shared->head_space);
	*shared = (struct capture_shared){ NULL, NULL, 0 };
}

/* Closes a job's descriptors, but for the pipe. */
void capture_close_files(struct capture_job *job)
{
	fd_close(&job->mem_fd);
	fd_close(&job->pagemap_fd);
	fd_close(&job->maps_fd);
	fd_close(&job->core_fd);
	fd_close(&job->zst_fd);
}

static int create_file(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long a spool may become, in bytes that are no holes: as the disk, the configuration, and the
 * memory (it is page cache first) have room. */
static uint64_t spool_room(const struct capture_request *request)
{
	struct sysinfo memory;
	uint64_t room = SPOOL_ALWAYS_BYTES;

	/* Free memory alone, without what could be freed, is on the safe side. */
	if (sysinfo(&memory) == 0 &&
	    ((uint64_t)memory.freeram + memory.bufferram) * memory.mem_unit / 2 > room)
		room = ((uint64_t)memory.freeram + memory.bufferram) * memory.mem_unit / 2;
	/* While it is compressed there are both. */
	return least(least(room, request->spool_max), request->max_disk / 2);
}

/* Opens what the memory is read by. 0 or -errno. */
static int open_memory(struct capture_job *job, int procfd)
{
	static const int flags = O_RDONLY | O_CLOEXEC;

	if ((job->mem_fd = openat(procfd, "mem", flags)) < 0 ||
	    (job->pagemap_fd = openat(procfd, "pagemap", flags)) < 0 ||
	    (job->maps_fd = openat(procfd, "maps", flags)) < 0)
		return -errno;
	return 0;
}

static void start_process(struct capture *c)
{
	memset(c->job.sent, 0, sizeof(c->job.sent));
	(void)confined_start(&c->shared, &c->process);
}

static void send_job(struct capture *c)
{
	if (c->process.pid > 0 && confined_send(&c->process, &c->shared, &c->job) < 0)
		confined_end(&c->process);
}

/* With another process: of the first one nothing is known any more. */
static void try_again(struct capture *c)
{
	confined_end(&c->process);
	start_process(c);
	send_job(c);
}

/* As early as possible: starts the process, which takes some time to be confined. */
void capture_init(struct capture *c)
{
	*c = (struct capture){ .process = { .socket = -1 } };
	capture_job_init(&c->job);
	if (capture_share(&c->shared) == 0)
		start_process(c);
}

/*
 * Lets the process look at headers and notes already, while it is not decided yet what becomes of
 * the core.  procfd: /proc/TGID/task/TID, or -1: the core is to be taken from the pipe only.
 */
void capture_look(struct capture *c, int pipe_fd, int procfd, uint64_t deadline_us)
{
	c->deadline_us = deadline_us;
	c->job.pipe_fd = pipe_fd;
	c->job.deadline_us = deadline_us;
	if (procfd < 0)
		return;
	if (open_memory(&c->job, procfd) < 0) {
		capture_close_files(&c->job);
		return;
	}
	c->job.kind = CAPTURE_JOB_LOOK;
	send_job(c);
	c->job.sent[0] = c->job.sent[1] = c->job.sent[2] = c->job.sent[3] = true;
}

static void use_frames(struct capture *c)
{
	c->job.kind = CAPTURE_JOB_FRAMES;
	c->job.zst_fd = create_file(c->request->dirfd, CRASH_CORE_ZST_NAME);
}

static void remove_spool(struct capture *c)
{
	fd_close(&c->job.core_fd);
	(void)unlinkat(c->request->dirfd, CRASH_CORE_RAW_NAME, 0);
}

static void use_memory(struct capture *c)
{
	struct capture_job *job = &c->job;
	uint64_t resident = c->request->resident_bytes;

	job->max_spool = spool_room(c->request);
	if (c->request->may_spool && c->request->resident_bytes <= job->max_spool) {
		job->kind = CAPTURE_JOB_SPOOL;
		job->core_fd = create_file(c->request->dirfd, CRASH_CORE_RAW_NAME);
	} else {
		use_frames(c);
	}
	job->threads = resident < ONE_THREAD_BYTES ? 1 : capture_threads();
	job->frame_bytes = resident < SMALL_BYTES ? CAPTURE_BUFFER_BYTES : FRAME_BYTES;
}

static void use_pipe(struct capture *c)
{
	struct capture_job *job = &c->job;

	fd_close(&job->mem_fd);
	fd_close(&job->pagemap_fd);
	fd_close(&job->maps_fd);
	remove_spool(c);
	if (job->zst_fd < 0)
		job->zst_fd = create_file(c->request->dirfd, CRASH_CORE_ZST_NAME);
	else
		(void)!ftruncate(job->zst_fd, 0);
	job->kind = CAPTURE_JOB_PIPE;
	job->head_len = atomic_load(&c->shared.report->taken);
	if (job->head_len > c->shared.head_space)
		job->head_len = c->shared.head_space;
	job->threads = capture_threads();
	(void)fcntl(job->pipe_fd, F_SETPIPE_SZ, PIPE_BYTES);
}

/*
 * Begins to capture the core into request->dirfd; other things can be done meanwhile.  It never
 * fails: capture_finish() tells how far it came.
 */
void capture_start(struct capture *c, const struct capture_request *request)
{
	c->request = request;
	if (!c->shared.report)
		return;
	c->job.max_bytes = request->max_bytes;
	c->job.max_offset = request->max_offset;
	c->job.max_stored = request->max_disk;
	c->job.verify = request->verify;
	if (c->job.mem_fd >= 0)
		use_memory(c);
	else
		use_pipe(c);
	send_job(c);
}

/* Waits for the process, and ends it unless it did its job. 0: it did, -ECHILD: it ended before,
 * -ETIME, or -errno. */
static int wait_job(struct capture *c, char note[CAPTURE_NOTE_SIZE])
{
	const char *what = c->job.kind == CAPTURE_JOB_PIPE ? "pipe" : "memory";
	char death[CAPTURE_NOTE_SIZE / 2];
	int r = c->process.pid > 0 ? confined_wait(&c->process, c->shared.report,
						   c->deadline_us + GRACE_US, NULL, NULL)
				   : -ECHILD;

	if (r == 0) {
		enum capture_end end = c->shared.report->end;

		if (end == CAPTURE_ERROR || end == CAPTURE_DISK_FULL)
			r = confined_error(c->shared.report);
	}
	/* One that only says that it has failed may still hold the pipe. */
	if (r < 0)
		confined_end(&c->process);
	if (r == -ECHILD)
		snprintf(note, CAPTURE_NOTE_SIZE, "%s: %s", what,
			 confined_death(&c->process, death, sizeof(death)));
	else if (r < 0)
		snprintf(note, CAPTURE_NOTE_SIZE, "%s: %s", what, strerror(-r));
	return r;
}

static bool is_zeros(const char *data, size_t len)
{
	return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* How much of the next piece may be taken: 1 to FRAME_BYTES, or LIMIT_... */
static int next_drain(const struct capture_job *job, uint64_t at, uint64_t copied)
{
	if (at >= job->max_offset)
		return LIMIT_MAX_OFFSET;
	if (copied >= job->max_bytes)
		return LIMIT_MAX_BYTES;
	if (copied >= job->max_stored)
		return LIMIT_MAX_STORED;
	return (int)least(least(FRAME_BYTES, job->max_offset - at), job->max_stored - copied);
}

/* *copied: bytes in the file that are no holes. */
static int drain(struct capture *c, char *buf, uint64_t *copied)
{
	struct capture_report *report = c->shared.report;
	uint64_t at = report->taken;

	for (;;) {
		size_t len = 0;
		int want = next_drain(&c->job, at, *copied);

		if (want < 0)
			return want;
		int r = pipe_take(c->job.pipe_fd, buf, (size_t)want, c->deadline_us, report, &len);
		if (len > 0 && !is_zeros(buf, len)) {
			if (pwrite(c->job.core_fd, buf, len, (off_t)at) != (ssize_t)len)
				return -ENOSPC;
			*copied += len;
		}
		at += len;
		if (ftruncate(c->job.core_fd, (off_t)at) < 0)
			return -errno;
		if (r < 0 || len < (size_t)want)
			return r;
	}
}

/* Takes the end back, for the table or the record: on a full disk there is no room for them. */
static void give_room(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > CAPTURE_ROOM_BYTES)
		(void)!ftruncate(fd, st.st_size - CAPTURE_ROOM_BYTES);
}

/*
 * The last way: as it is, by the helper itself.  What was taken off the pipe before is in head, or
 * lost.
 */
static int drain_pipe(struct capture *c, struct capture_result *result)
{
	struct capture_report *report = c->shared.report;
	size_t head = (size_t)c->job.head_len;
	char *buf =
		mmap(NULL, FRAME_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fd_close(&c->job.zst_fd);
	(void)unlinkat(c->request->dirfd, CRASH_CORE_ZST_NAME, 0);
	c->job.core_fd = create_file(c->request->dirfd, CRASH_CORE_RAW_NAME);
	if (c->job.core_fd < 0 || buf == MAP_FAILED)
		return c->job.core_fd < 0 ? c->job.core_fd : -ENOMEM;
	result->file = CRASH_CORE_RAW_NAME;
	result->lost = result->lost || report->taken > head;
	uint64_t copied = head;
	int r = pwrite(c->job.core_fd, c->shared.head, head, 0) == (ssize_t)head ? 0 : -ENOSPC;
	if (r == 0)
		r = drain(c, buf, &copied);
	if (r == -ENOSPC)
		give_room(c->job.core_fd);
	/* Nobody else reports it. */
	report->copied = copied;
	munmap(buf, FRAME_BYTES);
	return r;
}

/* Takes over what the confined process reported, as far as it can be true. */
static void take_report(const struct capture *c, struct capture_result *result)
{
	struct capture_report report = *c->shared.report;
	struct stat st;
	bool raw = c->job.kind == CAPTURE_JOB_SPOOL || c->job.kind == CAPTURE_JOB_CHECK;
	int fd = raw ? c->job.core_fd : c->job.zst_fd;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	result->file = raw ? CRASH_CORE_RAW_NAME : CRASH_CORE_ZST_NAME;
	result->stored_size = (uint64_t)st.st_size;
	result->raw_size = raw ? (uint64_t)st.st_size
			       : confined_raw_size(report.raw_size, result->stored_size);
	bool can_be = raw || result->raw_size == report.raw_size;
	result->copied = report.copied < result->raw_size ? report.copied : result->raw_size;
	result->expected = report.expected;
	result->lost = result->lost || report.lost;
	result->checked = report.done && can_be;
	result->is_core = report.is_core;
	result->verified = report.verified;
	result->differs_at = report.differs_at;
	result->has_fault_address = report.has_fault_address;
	result->fault_address = report.fault_address;
}

/* The last way, and what became of it. */
static void finish_by_draining(struct capture *c, struct capture_result *result)
{
	int r = drain_pipe(c, result);

	result->end = capture_end_of(r);
	result->error = r;
	c->job.kind = CAPTURE_JOB_CHECK;
}

/* True if the spool has no room for what the compressed core may still have room for: memory that
 * is not resident is in no estimate, and a file has an end. */
static bool is_spool_full(const struct capture *c, int error)
{
	return c->job.kind == CAPTURE_JOB_SPOOL && capture_end_of(error) == CAPTURE_DISK_FULL;
}

/* True if the memory did not give the core, and the pipe may. */
static bool wants_pipe(const struct capture *c, int error)
{
	if (error == 0 || error == -ETIME || c->job.kind == CAPTURE_JOB_PIPE)
		return false;
	/* What is compressed already is kept; a raw spool takes more room. */
	return !(c->job.kind == CAPTURE_JOB_FRAMES && capture_end_of(error) == CAPTURE_DISK_FULL);
}

/*
 * Waits for the capture, and takes another way where one fails: memory into a spool, memory
 * compressed, pipe, the pipe without a confined process.  *ret_result tells how far it came.
 */
void capture_finish(struct capture *c, struct capture_result *ret_result)
{
	struct capture_report *report = c->shared.report;

	*ret_result = (struct capture_result){ .end = CAPTURE_ERROR, .error = -ENOMEM };
	if (!report)
		return;
	int r = wait_job(c, ret_result->note);
	if (is_spool_full(c, r)) {
		remove_spool(c);
		use_frames(c);
		try_again(c);
		r = wait_job(c, ret_result->note);
	}
	if (wants_pipe(c, r)) {
		/* What was lost between pipe and report cannot be had again. */
		ret_result->lost = atomic_load(&report->taking);
		use_pipe(c);
		try_again(c);
		r = wait_job(c, ret_result->note);
	}
	if (r == -ECHILD) {
		/* Once more: it may not have been its own fault. */
		ret_result->lost = ret_result->lost || atomic_load(&report->taking);
		try_again(c);
		r = wait_job(c, ret_result->note);
	}
	bool is_full = capture_end_of(r) == CAPTURE_DISK_FULL;
	if (r == -ECHILD || (r < 0 && r != -ETIME && !is_full && report->raw_size == 0)) {
		ret_result->lost = ret_result->lost || atomic_load(&report->taking);
		finish_by_draining(c, ret_result);
		return;
	}
	ret_result->from_memory = c->job.kind != CAPTURE_JOB_PIPE;
	ret_result->end = r == -ETIME ? CAPTURE_TIME_OVER : report->end;
	ret_result->error = r == -ETIME ? r : confined_error(report);
	take_report(c, ret_result);
	/* A process that did not keep to its time has left a file without its table. */
	if (r == -ETIME)
		c->job.kind =
			c->job.kind == CAPTURE_JOB_SPOOL ? CAPTURE_JOB_CHECK : CAPTURE_JOB_MEND;
}

/*
 * After the release, before the result is described: where nobody has looked at the core yet, a
 * confined process does.
 */
void capture_check(struct capture *c, struct capture_result *result)
{
	enum capture_job_kind kind = c->job.kind;

	if (!c->shared.report || !result->file ||
	    (kind != CAPTURE_JOB_CHECK && kind != CAPTURE_JOB_MEND))
		return;
	/* The pipe is not its business, and may be another file by now. */
	c->job.pipe_fd = -1;
	memset(c->job.sent, 0, sizeof(c->job.sent));
	confined_end(&c->process);
	(void)confined_run(&c->process, &c->shared, &c->job, NULL, NULL);
	take_report(c, result);
}

/* Others first, from now on. */
void capture_renice(const struct capture *c, int nice)
{
	if (c->process.pid > 0)
		(void)setpriority(PRIO_PROCESS, (id_t)c->process.pid, nice);
}

/* Ends the process if there is one, and frees all. */
void capture_end(struct capture *c)
{
	confined_end(&c->process);
	capture_close_files(&c->job);
	capture_unshare(&c->shared);
}
