// SPDX-License-Identifier: MIT
/*
 * After the capture: what the record says of it; and the raw spool, compressed and put in its
 * place.
 *
 * The victim's bytes are handled by confined processes; what those report goes into the record, and
 * is the victim's word.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "fd.h"

#define COMPRESS_NAME ".core.zst.new"

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

/* Why the core is not whole though all was taken that there was, or NULL. */
static char *find_shortfall(const struct capture_result *result)
{
	char *reason = NULL;
	int n = 0;

	if (result->lost)
		n = asprintf(&reason, "some bytes of it were lost: %s", result->note);
	else if (!result->checked)
		n = asprintf(&reason, "nobody could look whether it is whole: %s", result->note);
	else if (!result->is_core)
		n = asprintf(&reason, "what the kernel sent is not an ELF core");
	else if (result->expected == 0)
		n = asprintf(&reason, "the dump ended within its headers");
	else if (result->raw_size < result->expected)
		n = asprintf(&reason,
			     "the dump ended after %llu of %llu bytes: the process was killed "
			     "while it dumped",
			     (unsigned long long)result->raw_size,
			     (unsigned long long)result->expected);
	return n < 0 ? NULL : reason;
}

static const char *limit_reason(const struct capture_request *request, int error)
{
	if (error == LIMIT_MAX_BYTES)
		return request->max_bytes_reason;
	if (error == LIMIT_MAX_OFFSET)
		return request->max_offset_reason;
	return "keep_free: the rest of the disk is to be left to others";
}

static enum counter set_end(const struct capture_request *request,
			    const struct capture_result *result, struct crash *crash)
{
	cleanup_free char *shortfall = NULL;

	switch (result->end) {
	case CAPTURE_DISK_FULL:
		set_outcome(crash, CRASH_TRUNCATED, "the disk of the store is full");
		return COUNTER_TRUNCATED_DISK_FULL;
	case CAPTURE_TIME_OVER:
		set_outcome(crash, CRASH_TRUNCATED, "max_block is over: the dump took too long");
		return COUNTER_TRUNCATED_TIME_OVER;
	case CAPTURE_LIMIT:
		set_outcome(crash, CRASH_TRUNCATED, limit_reason(request, result->error));
		return COUNTER_TRUNCATED_LIMIT;
	case CAPTURE_ERROR:
		set_outcome(crash, CRASH_TRUNCATED, strerror(-result->error));
		return COUNTER_TRUNCATED_OTHER;
	case CAPTURE_KILLED:
	case CAPTURE_WHOLE:
		break;
	}
	shortfall = find_shortfall(result);
	set_outcome(crash, shortfall ? CRASH_TRUNCATED : CRASH_STORED, shortfall);
	if (!shortfall)
		return COUNTER_STORED;
	return result->lost || !result->checked ? COUNTER_TRUNCATED_CAPTURE_FAILED
						: COUNTER_TRUNCATED_VICTIM_KILLED;
}

/*
 * Says in the record what became of the core.  A file that holds nothing is removed.  Returns where
 * it is to be counted.
 */
enum counter capture_describe(const struct capture_request *request,
			      const struct capture_result *result, struct crash *crash)
{
	(void)crash_set_string(&crash->capture_mode, result->from_memory ? "memory" : "pipe");
	(void)crash_set_string(&crash->capture_note, result->note[0] ? result->note : NULL);
	crash->core_size = result->raw_size;
	crash->stored_size = result->stored_size;
	crash->captured_bytes = result->copied;
	crash->holes_bytes = result->raw_size - result->copied;
	if (request->verify && result->from_memory && result->end == CAPTURE_WHOLE)
		set_verified(result, crash);

	/* Where nobody could tell how much is in the file, it is kept. */
	if (result->raw_size == 0 && (result->checked || result->stored_size == 0)) {
		set_nothing(request, result, crash);
		return COUNTER_FAILED;
	}
	(void)crash_set_string(&crash->core_file, result->file);
	crash->has_fault_address = result->has_fault_address;
	crash->fault_address = result->fault_address;
	return set_end(request, result, crash);
}

static int open_stored(int dirfd, const char *name, int flags)
{
	int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* The new file takes the place of nothing: readers take either. */
static int put_in_place(int dirfd, const struct capture_job *job)
{
	struct stat st;

	if (fstat(job->core_fd, &st) < 0 || fchown(job->zst_fd, (uid_t)-1, st.st_gid) < 0 ||
	    fchmod(job->zst_fd, st.st_mode & 0777) < 0 || fdatasync(job->zst_fd) < 0 ||
	    renameat(dirfd, COMPRESS_NAME, dirfd, CRASH_CORE_ZST_NAME) < 0)
		return -errno;
	return 0;
}

static void take_digests(struct crash *crash, const struct capture_report *report)
{
	confined_digest(report->core_sha256, crash->core_sha256);
	confined_digest(report->stored_sha256, crash->stored_sha256);
}

/* For a job after the capture: without the descriptors of that. */
static void new_job(struct capture *c, enum capture_job_kind kind, uint64_t digest_max)
{
	capture_close_files(&c->job);
	capture_job_init(&c->job);
	c->job.kind = kind;
	c->job.threads = capture_threads();
	c->job.digest_max = digest_max;
}

/*
 * Makes core.zst of core, for the same readers, and says so in the record, with its digests; the
 * caller writes the record and then removes core.  0: nothing to do, too; -errno: core stays.
 */
int capture_compress(struct capture *c, int dirfd, struct crash *crash, uint64_t digest_max,
		     confined_tick_fn tick, void *tick_context)
{
	struct capture_job *job = &c->job;
	struct stat st;

	if (!crash->core_file || strcmp(crash->core_file, CRASH_CORE_RAW_NAME) != 0)
		return 0;
	new_job(c, CAPTURE_JOB_COMPRESS, digest_max);
	job->core_fd = open_stored(dirfd, CRASH_CORE_RAW_NAME, O_RDONLY);
	job->zst_fd = open_stored(dirfd, COMPRESS_NAME, O_RDWR | O_CREAT | O_EXCL);
	int r = job->core_fd < 0 ? job->core_fd : job->zst_fd < 0 ? job->zst_fd : 0;
	if (r == 0)
		r = confined_run(&c->process, &c->shared, job, tick, tick_context);
	if (r == 0)
		r = put_in_place(dirfd, job);
	if (r == 0) {
		crash->stored_size = fstat(job->zst_fd, &st) == 0 ? (uint64_t)st.st_size : 0;
		take_digests(crash, c->shared.report);
		r = crash_set_string(&crash->core_file, CRASH_CORE_ZST_NAME);
	} else if (job->zst_fd >= 0) {
		(void)unlinkat(dirfd, COMPRESS_NAME, 0);
	}
	return r;
}

/*
 * SHA-256 of what is stored, and of what it unpacks to, into the record, if they can be had and are
 * not there.
 */
void capture_digests(struct capture *c, int dirfd, struct crash *crash, uint64_t digest_max,
		     confined_tick_fn tick, void *tick_context)
{
	if (!crash->core_file || crash->stored_sha256[0])
		return;
	new_job(c, CAPTURE_JOB_DIGEST, digest_max);
	bool raw = strcmp(crash->core_file, CRASH_CORE_RAW_NAME) == 0;
	int *fd = raw ? &c->job.core_fd : &c->job.zst_fd;
	*fd = open_stored(dirfd, crash->core_file, O_RDONLY);
	if (*fd >= 0 && confined_run(&c->process, &c->shared, &c->job, tick, tick_context) == 0)
		take_digests(crash, c->shared.report);
}

/* 0: *ret_raw_size is what the job says; -ECHILD, -ETIME: nobody could do it; or -errno. */
static int measure(struct confined *process, const struct capture_shared *shared,
		   enum capture_job_kind kind, int fd, uint64_t *ret_raw_size)
{
	struct capture_job job;
	struct stat st;

	capture_job_init(&job);
	job.kind = kind;
	job.zst_fd = fd;
	int r = confined_run(process, shared, &job, NULL, NULL);
	if (r != 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	uint64_t said = shared->report->raw_size;
	*ret_raw_size = confined_raw_size(said, (uint64_t)st.st_size);
	return *ret_raw_size == said ? 0 : -ECHILD; /* not the process that we have started, then */
}

/*
 * Tells how much a core.zst unpacks to; one whose writer was stopped gets a table first, of what of
 * it is whole.  0; -ECHILD, -ETIME: nobody could; or -errno.
 */
int capture_mend(int dirfd, int fd, uint64_t *ret_raw_size)
{
	struct confined process = { .socket = -1 };
	struct capture_shared shared;
	int r = capture_share(&shared);

	(void)dirfd;
	if (r < 0)
		return r;
	r = measure(&process, &shared, CAPTURE_JOB_MEASURE, fd, ret_raw_size);
	if (r == -EBADMSG)
		r = measure(&process, &shared, CAPTURE_JOB_MEND, fd, ret_raw_size);
	confined_end(&process);
	capture_unshare(&shared);
	return r;
}
