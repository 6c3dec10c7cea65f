// SPDX-License-Identifier: MIT
/*
 * What a killed helper or a power cut left in the store.
 *
 * Only root writes there, and confined processes, whose files may hold anything and end anywhere.
 * Each step leaves something that the next run can start from, so this may be killed at any time;
 * and it is never at work where a living helper, or another recovery, has the crash's lock.  It
 * never makes a core look more whole than it is known to be.
 */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "crash-files.h"
#include "fd.h"
#include "record.h"

#define BLOCK_BYTES 512U

#define STOPPED "coreferry-helper was stopped before the capture was complete"

struct recovery {
	const struct store *store;
	int dirfd;
	recover_mend_fn mend;
	struct crash crash;
	bool record_lost;
	int mend_error; /* why a core was given up, or 0 */
};

/* --- the record --- */

static int make_record(const char *id, struct crash *crash)
{
	crash_release(crash);
	snprintf(crash->id, sizeof(crash->id), "%s", id);
	/* An id of a day that there is not: then the time is not known. */
	(void)crash_id_parse(id, &crash->time_us, &crash->pid);
	crash->outcome = CRASH_TRUNCATED;
	/* Whoever it was of, it may have been set-uid. */
	crash->root_only = true;
	return 0;
}

/* -errno only where another time may bring more. */
static int read_record(struct recovery *rec, const char *id)
{
	int r = store_read_record(rec->dirfd, &rec->crash);

	if (r == 0 && strcmp(rec->crash.id, id) == 0)
		return 0;
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -EFBIG)
		return r;
	rec->record_lost = true;
	return make_record(id, &rec->crash);
}

/* --- the core --- */

struct kept_core {
	const char *name; /* NULL: none */
	uint64_t size, stored_size, captured_bytes;
};

static bool may_be_mended_later(int error)
{
	return error == -EAGAIN || error == -EDQUOT || error == -EINTR || error == -EIO ||
	       error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOSPC;
}

/* -ENODATA: there is nothing in it. */
static int look_at_raw(int fd, struct kept_core *kept)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -ENODATA;
	uint64_t blocks = (uint64_t)st.st_blocks * BLOCK_BYTES;

	kept->size = kept->stored_size = (uint64_t)st.st_size;
	kept->captured_bytes = blocks < kept->size ? blocks : kept->size;
	return 0;
}

/* What is in it is another process's to look at, which has nothing to lose. */
static int look_at_zst(struct recovery *rec, int fd, struct kept_core *kept)
{
	struct stat st;
	int r = rec->mend(rec->dirfd, fd, &kept->size);

	if (fstat(fd, &st) < 0)
		return -errno;
	kept->stored_size = (uint64_t)st.st_size;
	kept->captured_bytes = r == 0 ? kept->size : 0;
	/* That one did not live to tell, and another time it may be the same. */
	if (r == -ECHILD || r == -ETIME) {
		kept->size = 0;
		return kept->stored_size > 0 ? 0 : -ENODATA;
	}
	if (r == 0)
		return kept->size > 0 ? 0 : -ENODATA;
	rec->mend_error = r;
	return may_be_mended_later(r) ? r : -ENODATA;
}

/* -ENODATA: there is none of this name, or nothing in it. */
static int take_core(struct recovery *rec, const char *name, struct kept_core *kept)
{
	bool zst = strcmp(name, CRASH_CORE_ZST_NAME) == 0;
	cleanup_fd int fd = openat(rec->dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENODATA : -errno;
	int r = zst ? look_at_zst(rec, fd, kept) : look_at_raw(fd, kept);
	if (r < 0)
		return r;
	r = store_own_file(rec->store, fd, rec->crash.root_only);
	if (r < 0)
		return r;
	record_set_xattrs(fd, &rec->crash);
	kept->name = name;
	return 0;
}

/* Takes the one that the record names, else the raw one: that is complete before it is compressed.
 */
static int settle_core(struct recovery *rec, struct kept_core *kept)
{
	const char *recorded = rec->crash.core_file;
	bool zst_first = recorded && strcmp(recorded, CRASH_CORE_ZST_NAME) == 0;
	const char *const names[] = { zst_first ? CRASH_CORE_ZST_NAME : CRASH_CORE_RAW_NAME,
				      zst_first ? CRASH_CORE_RAW_NAME : CRASH_CORE_ZST_NAME };

	int r = take_core(rec, names[0], kept);
	if (r == -ENODATA)
		r = take_core(rec, names[1], kept);
	return r == -ENODATA ? 0 : r;
}

static int remove_other_cores(int dirfd, const char *kept)
{
	const char *const names[] = { CRASH_CORE_RAW_NAME, CRASH_CORE_ZST_NAME };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((!kept || strcmp(names[i], kept) != 0) && unlinkat(dirfd, names[i], 0) < 0 &&
		    errno != ENOENT)
			return -errno;
	return 0;
}

/* --- what is said of it --- */

static int set_outcome(struct crash *crash, enum crash_outcome outcome, const char *reason)
{
	crash->outcome = outcome;
	return crash_set_string(&crash->reason, reason);
}

static int set_no_core(struct recovery *rec)
{
	struct crash *crash = &rec->crash;
	cleanup_free char *reason = NULL;

	crash->core_size = crash->stored_size = crash->captured_bytes = crash->holes_bytes = 0;
	int r = crash_set_string(&crash->core_file, NULL);
	/* That there is none, and why, was known before. */
	if (r < 0 || crash->outcome == CRASH_REFUSED || crash->outcome == CRASH_FAILED)
		return r;
	if (rec->mend_error < 0 && asprintf(&reason, STOPPED ", and nothing of it can be used: %s",
					    strerror(-rec->mend_error)) < 0)
		return -ENOMEM;
	return set_outcome(crash, CRASH_FAILED,
			   reason	      ? reason
			   : rec->record_lost ? STOPPED ", and its record is lost"
					      : STOPPED);
}

static int set_core(struct recovery *rec, const struct kept_core *kept)
{
	struct crash *crash = &rec->crash;
	/* The capture had ended, and the record tells how: it was stopped between that and the
	 * publication. */
	bool ended = crash->core_file && strcmp(crash->core_file, kept->name) == 0 &&
		     crash->core_size == kept->size;
	int r = 0;

	if (!ended || (crash->outcome != CRASH_STORED && crash->outcome != CRASH_TRUNCATED))
		r = set_outcome(crash, CRASH_TRUNCATED,
				rec->record_lost ? STOPPED ", and its record is lost" : STOPPED);
	else if (crash->outcome == CRASH_STORED && !record_is_same_boot(crash))
		r = set_outcome(crash, CRASH_TRUNCATED,
				"the machine was stopped before the core was safely on the disk");
	crash->core_size = kept->size;
	crash->stored_size = kept->stored_size;
	crash->captured_bytes = kept->captured_bytes;
	crash->holes_bytes = kept->size - kept->captured_bytes;
	if (r == 0 && !crash->capture_mode)
		r = crash_set_string(&crash->capture_mode,
				     strcmp(kept->name, CRASH_CORE_RAW_NAME) == 0 ? "memory"
										  : "pipe");
	return r < 0 ? r : crash_set_string(&crash->core_file, kept->name);
}

/* --- one crash --- */

/* Before it is shown: another power cut must not take the record again. */
static int sync_all(const struct recovery *rec)
{
	cleanup_fd int fd = openat(rec->dirfd, CRASH_JSON_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	record_sync(rec->dirfd, rec->crash.core_file);
	return 0;
}

static int recover_directory(struct recovery *rec, const char *id)
{
	struct kept_core kept = { NULL };
	int r = store_own_file(rec->store, rec->dirfd, false);

	if (r == 0)
		r = crash_files_remove(rec->dirfd, CRASH_FILES_TEMPORARY);
	if (r == 0)
		r = read_record(rec, id);
	if (r == 0)
		r = settle_core(rec, &kept);
	if (r == 0)
		r = kept.name ? set_core(rec, &kept) : set_no_core(rec);
	if (r < 0)
		return r;
	rec->crash.core_sha256[0] = rec->crash.stored_sha256[0] = '\0';
	rec->crash.published_us = clock_now_us();
	/* First the record, which tells why a core is given up, and then the core. */
	r = store_write_record(rec->store, rec->dirfd, &rec->crash);
	if (r == 0)
		r = remove_other_cores(rec->dirfd, kept.name);
	if (r == 0)
		r = sync_all(rec);
	return r < 0 ? r : store_publish(rec->store, id);
}

static int recover_one(const struct store *store, struct recover *recover, const char *id)
{
	struct recovery rec = { .store = store, .dirfd = -1, .mend = recover->mend };
	int r = store_open_exclusive(store, id, STORE_PARTIAL, &rec.dirfd);

	crash_init(&rec.crash);
	if (r == 0)
		r = recover_directory(&rec, id);
	if (r == 0) {
		recover->recovered++;
		recover->outcomes[rec.crash.outcome]++;
	}
	crash_release(&rec.crash);
	fd_close(&rec.dirfd);
	return r;
}

static bool has_failed(const struct recover *recover, const char *id)
{
	for (size_t i = 0; i < recover->failed && i < RECOVER_FAILED_MAX; i++)
		if (strcmp(recover->failed_ids[i], id) == 0)
			return true;
	return false;
}

/*
 * Publishes every crash whose helper is dead.  recover: zeros and a mend function at first; one
 * that could not be recovered is not tried again with the same struct.  0, or -errno: they could
 * not even be listed.
 */
int recover_partials(const struct store *store, struct recover *recover)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;
	int r = store_list_partial(store, &ids, &count);

	for (size_t i = 0; i < count; i++) {
		if (has_failed(recover, ids[i]))
			continue;
		int e = recover_one(store, recover, ids[i]);
		if (e == -EBUSY) {
			recover->busy++;
		} else if (e < 0 && e != -ENOENT) { /* published or recovered by another one */
			if (recover->failed < RECOVER_FAILED_MAX)
				memcpy(recover->failed_ids[recover->failed], ids[i], CRASH_ID_SIZE);
			recover->failed++;
		}
	}
	return r;
}

/* --- published ones --- */

static int remove_unnamed(int dirfd, const struct crash *crash, const struct crash_files *files)
{
	bool has_named = crash->core_file &&
			 (strcmp(crash->core_file, CRASH_CORE_ZST_NAME) == 0 ? files->has_zst
									     : files->has_raw);

	/* Only where it is sure that nothing is lost with it. */
	if (!has_named && !crash->core_removed)
		return 0;
	return remove_other_cores(dirfd, has_named ? crash->core_file : NULL);
}

/*
 * Removes what is left over in a published crash that nobody works on: files that were not
 * finished, and a core that the record does not name: its helper was killed between the record and
 * the removal.  0; -EBUSY: somebody works on it; -errno.
 */
int recover_tidy(const struct store *store, const char *id)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;
	struct crash_files files = { 0 };

	crash_init(&crash);
	int r = store_open_exclusive(store, id, STORE_PUBLISHED, &dirfd);
	if (r == 0)
		r = crash_files_remove(dirfd, CRASH_FILES_TEMPORARY);
	if (r == 0)
		r = crash_files_look(dirfd, &files);
	if (r == 0)
		r = store_read_record(dirfd, &crash);
	return r < 0 ? r : remove_unnamed(dirfd, &crash, &files);
}
