/* SPDX-License-Identifier: MIT */
/*
 * The core, out of the victim's memory or the kernel's pipe, into a file of the store.
 *
 * In the victim's time: init, look, start, finish.  After its release: check, describe, compress,
 * digests, end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture-report.h"
#include "confined.h"
#include "counters.h"
#include "crash.h"

#define CAPTURE_NOTE_SIZE 160

struct capture_request {
	int pipe_fd;
	int dirfd;		 /* where the core's file is made: "core" or "core.zst" */
	int procfd;		 /* /proc/TGID/task/TID, or -1: from the pipe only */
	uint64_t resident_bytes; /* about as much has to be copied */
	bool may_spool;		 /* there is disk for it as it is */
	uint64_t spool_max;	 /* more than this is compressed at once */
	/* UINT64_MAX: no limit */
	uint64_t max_bytes;  /* of memory that may be captured */
	uint64_t max_offset; /* the core is cut here */
	uint64_t max_disk;   /* that the stored core may take */
	/* What the record says where they cut it. */
	const char *max_bytes_reason, *max_offset_reason;
	bool verify; /* compare with the pipe what was taken from memory */
};

/* A capture that is under way. */
struct capture {
	const struct capture_request *request;
	struct capture_shared shared;
	struct capture_job job;
	struct confined process; /* pid 0: there is none */
	uint64_t deadline_us;
};

struct capture_result {
	enum capture_end end;
	int error;	  /* -errno of what went wrong, or 0 */
	const char *file; /* CRASH_CORE_RAW_NAME or CRASH_CORE_ZST_NAME; NULL: there is none */
	bool from_memory;
	bool lost; /* bytes of the stream were lost with a process that was ended */
	char note[CAPTURE_NOTE_SIZE]; /* what went wrong on the way, or "" */
	uint64_t raw_size, stored_size, copied, expected;
	bool checked; /* its headers were looked at: */
	bool is_core, verified, has_fault_address;
	uint64_t differs_at, fault_address;
};

void capture_init(struct capture *capture);
void capture_look(struct capture *capture, int pipe_fd, int procfd, uint64_t deadline_us);
void capture_start(struct capture *capture, const struct capture_request *request);
void capture_finish(struct capture *capture, struct capture_result *ret_result);
void capture_check(struct capture *capture, struct capture_result *result);
void capture_end(struct capture *capture);
enum counter capture_describe(const struct capture_request *request,
			      const struct capture_result *result, struct crash *crash);

int capture_mend(int dirfd, int fd, uint64_t *ret_raw_size);
int capture_compress(struct capture *capture, int dirfd, struct crash *crash, uint64_t digest_max,
		     confined_tick_fn tick, void *tick_context);
void capture_digests(struct capture *capture, int dirfd, struct crash *crash, uint64_t digest_max,
		     confined_tick_fn tick, void *tick_context);
void capture_renice(const struct capture *capture, int nice);
unsigned capture_threads(void);
int capture_share(struct capture_shared *ret_shared);
void capture_unshare(struct capture_shared *shared);
void capture_close_files(struct capture_job *job);
