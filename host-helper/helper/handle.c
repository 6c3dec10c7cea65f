// SPDX-License-Identifier: MIT
/*
 * The way of a crash.
 *
 * In the victim's time: its directory, a slot, whether the core is taken at all, the capture, and
 * beside it the snapshot of /proc.  Then the victim is let go, and all else follows.  All that is
 * known of the victim is its own word; what is handed to anyone is decided by victim.c.
 *
 * Every crash ends in a record with an outcome.  If the helper is stopped at any point, what it
 * leaves is recovered by the next one (housekeeping.c).
 */
#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "admission.h"
#include "capture.h"
#include "clock.h"
#include "counters.h"
#include "crash.h"
#include "delegate.h"
#include "fd.h"
#include "housekeeping.h"
#include "log.h"
#include "record.h"
#include "slots.h"
#include "store.h"

#define NICE_AFTER_RELEASE 10
#define LAST_GRACE_US	   2000000U /* in which a victim that is let go ends by itself */
#define SOON_US		   100000U
#define EARLY_RECORD_BYTES (8ULL << 20)

struct run {
	const struct arguments *arguments;
	const struct config *config;
	struct victim *victim;
	struct crash crash;
	struct store store;
	int dirfd; /* the crash's directory, or -1: there is none */
	struct admission admission;
	struct capture_request request;
	struct capture *capture;
	enum counter counter; /* where the outcome is counted */
	unsigned made_room;   /* cores removed to make room for this one */
	bool is_published;
};

/* --- may the core be taken? --- */

static void refuse(struct run *run, enum counter counter, const char *reason)
{
	run->admission.refused = true;
	run->admission.counter = counter;
	snprintf(run->admission.reason, sizeof(run->admission.reason), "%s", reason);
}

static void snapshot(struct run *run)
{
	victim_snapshot(run->victim, run->arguments,
			delegate_is_wanted(run->arguments, run->config));
	if (record_fill(&run->crash, run->arguments, run->victim) < 0)
		log_error("pid %u crashed: out of memory for its record", run->arguments->pid);
}

static int open_directory(struct run *run)
{
	int r = store_open(run->config->store, true, &run->store);

	if (r == 0)
		r = record_begin(&run->store, &run->crash, run->arguments->pid, &run->dirfd);
	if (r < 0) {
		/* The log is all that tells of it. */
		snapshot(run);
		log_error("pid %u (%s) crashed: no record: %s: %s", run->arguments->pid,
			  run->crash.comm ? run->crash.comm : "?", run->config->store,
			  strerror(-r));
	}
	return r;
}

static struct quota_limits make_limits(const struct run *run)
{
	const struct config *c = run->config;
	struct statvfs disk;
	uint64_t total = fstatvfs(run->dirfd >= 0 ? run->dirfd : run->store.crashes_fd, &disk) < 0
				 ? 0
				 : (uint64_t)disk.f_blocks * disk.f_frsize;

	return (struct quota_limits){ .max_use_bytes = config_share_bytes(&c->max_use, total),
				      .keep_free_bytes = config_share_bytes(&c->keep_free, total),
				      .max_records = c->max_records,
				      .max_per_container = c->max_per_container,
				      .max_per_signature = c->max_per_signature };
}

static void keep_house(struct run *run, struct counters *counters)
{
	const struct quota_limits limits = make_limits(run);
	struct housekeeping_result result;
	int r = housekeeping_run(&run->store, &limits, capture_mend, &result);

	if (r < 0)
		log_warning("housekeeping in %s: %s", run->config->store, strerror(-r));
	counters_add(counters, COUNTER_EVICTED_CORES, result.cores_removed);
	counters_add(counters, COUNTER_RECOVERED_PARTIALS, result.recover.recovered);
	counters_add(counters, COUNTER_SEEN, result.recover.recovered);
	counters_add(counters, COUNTER_TRUNCATED_HELPER_KILLED, result.recover.recovered);
}

/* Of what is full already, and in the victim's time: no recovery, and nobody else's requests. */
static void make_room(struct run *run)
{
	const struct quota_limits limits = make_limits(run);
	struct housekeeping_result result;
	int r = housekeeping_make_room(&run->store, &limits, &result);

	if (r < 0)
		log_warning("housekeeping in %s: %s", run->config->store, strerror(-r));
	run->made_room = result.cores_removed;
}

static void fill_space(const struct run *run, struct admission_request *request)
{
	struct statvfs disk;

	if (fstatvfs(run->dirfd, &disk) < 0)
		return;
	request->fs_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	request->fs_total_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
}

static bool needs_identity(const struct config *config)
{
	return config->exclude_exe[0] || config->exclude_container[0] ||
	       config->rate_per_container.count > 0 || config->rate_per_signature.count > 0;
}

/* Fills run->admission.  Who it is must be known where the configuration asks for that. */
static void admit(struct run *run)
{
	const struct proc_status *status = &run->victim->status;
	struct admission_request request = {
		.config = run->config,
		.crash = &run->crash,
		.has_rlimit = run->arguments->has_rlimit,
		.storefd = run->store.dir_fd,
		.resident_bytes = (status->resident_kib + status->swapped_kib) << 10,
	};

	run->crash.rlimit_core = run->arguments->rlimit_core;
	fill_space(run, &request);
	admission_decide(&request, &run->admission);
	if (run->admission.refused && run->admission.counter == COUNTER_REFUSED_KEEP_FREE) {
		/* The old ones make way, if there are any. */
		make_room(run);
		fill_space(run, &request);
		admission_decide_space(&request, &run->admission);
	}
}

/* --- in the victim's time --- */

/* A slot, or run->admission says why not.  Returns its descriptor, or -1. */
static int take_slot(struct run *run)
{
	unsigned count = slots_count(run->config->slots);
	char reason[ADMISSION_REASON_SIZE];
	int fd = -1;
	int r = slots_take(run->store.dir_fd, SLOTS_CAPTURE, count,
			   run->victim->start_us + run->config->max_block_ms * 1000, &fd);

	if (r == -ETIME) {
		snprintf(reason, sizeof(reason),
			 "max_block was over before one of %u slots was free", count);
		refuse(run, COUNTER_REFUSED_SLOTS_BUSY, reason);
	} else if (r < 0) {
		/* Slots are there to spare the machine: not a reason to lose a core. */
		log_warning("slots: %s/slots: %s", run->config->store, strerror(-r));
	}
	return fd;
}

static void start_capture(struct run *run)
{
	const struct proc_status *status = &run->victim->status;
	const struct admission *a = &run->admission;

	run->request = (struct capture_request){
		.pipe_fd = run->victim->pipe_fd,
		.dirfd = run->dirfd,
		.resident_bytes = (status->resident_kib + status->swapped_kib) << 10,
		.may_spool = a->fits_spool,
		.spool_max = run->config->spool_max,
		.max_bytes = a->max_bytes,
		.max_offset = a->max_offset,
		.max_disk = a->max_disk,
		.max_bytes_reason = a->max_bytes_reason,
		.max_offset_reason = a->max_offset_reason,
		.verify = run->arguments->verify,
	};
	capture_start(run->capture, &run->request);
}

static bool write_record(const struct run *run)
{
	int r = store_write_record(&run->store, run->dirfd, &run->crash);

	if (r < 0)
		log_error("crash %s (%s): its record could not be written: %s", run->crash.id,
			  run->crash.comm ? run->crash.comm : "?", strerror(-r));
	return r == 0;
}

/*
 * What would be true if this were the last thing to be done.  Of a small core the copying takes
 * less time than the writing of a record: of that the directory's name tells.
 */
static void write_early_record(struct run *run)
{
	if (run->request.resident_bytes < EARLY_RECORD_BYTES)
		return;
	run->crash.outcome = CRASH_TRUNCATED;
	(void)crash_set_string(&run->crash.reason,
			       "coreferry-helper was stopped before the capture was complete");
	(void)write_record(run);
}

static void release_unless_held(struct run *run)
{
	victim_hold(run->victim, run->config->hold_max_ms);
	/* Whether there is something to hold the victim for is not known before the outcome is. */
	if (run->victim->is_init || run->config->hold == CONFIG_HOLD_ALWAYS)
		return;
	/* Nobody waits for us from here on: the victim's end first, and others. */
	(void)setpriority(PRIO_PROCESS, 0, NICE_AFTER_RELEASE);
	capture_renice(run->capture, NICE_AFTER_RELEASE);
	victim_release(run->victim);
}

/* The capture, and beside it what is known only as long as the victim is there. */
static void capture(struct run *run, struct capture_result *result)
{
	bool known = needs_identity(run->config);
	cleanup_fd int slot = take_slot(run);

	if (known)
		snapshot(run);
	if (!run->admission.refused)
		admit(run);
	if (!run->admission.refused)
		start_capture(run);
	if (!known)
		snapshot(run);
	if (!run->admission.refused) {
		write_early_record(run);
		capture_finish(run->capture, result);
		/* Nobody reads on: the kernel must not, either.  With the memory taken directly it
		 * mostly waits at the pipe, and sees at once that it is closed; see end_victim().
		 */
		if (result->end == CAPTURE_TIME_OVER && !result->from_memory)
			victim_end_by(run->victim, 0);
	}
	if (run->admission.refused)
		capture_end(run->capture); /* it has the pipe, too */
	release_unless_held(run);
}

/* --- after it --- */

static void describe(struct run *run, struct capture_result *result)
{
	if (run->admission.refused) {
		run->crash.outcome = CRASH_REFUSED;
		(void)crash_set_string(&run->crash.reason, run->admission.reason);
		run->counter = run->admission.counter;
	} else {
		capture_check(run->capture, result);
		run->counter = capture_describe(&run->request, result, &run->crash);
	}
	crash_set_signature(&run->crash);
}

static void own_core(const struct run *run, const char *name)
{
	cleanup_fd int core =
		name ? openat(run->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (core < 0)
		return;
	(void)store_own_file(&run->store, core, run->crash.root_only);
	record_set_xattrs(core, &run->crash);
}

/*
 * The record, and then the crash is shown.  The record first: on a full disk the rest may not find
 * room.  Without it nobody would know of the core: so that waits for the next time, and after the
 * last one for recovery.
 */
static bool publish(struct run *run)
{
	if (run->is_published)
		return write_record(run);
	run->crash.held_us = run->victim->held_us;
	run->crash.published_us = clock_now_us();
	if (!write_record(run))
		return false;
	record_write_snapshot(&run->store, run->dirfd, run->victim);
	int r = store_publish(&run->store, run->crash.id);
	if (r < 0)
		log_error("crash %s: could not be published: %s", run->crash.id, strerror(-r));
	run->is_published = r == 0;
	return true;
}

static void check_hold(void *context)
{
	struct run *run = context;

	victim_check_hold(run->victim);
}

/* A slot for work after the release: however long that takes, but no longer than a victim is held.
 */
static int take_compress_slot(struct run *run)
{
	int fd = -1, r = -ETIME;

	if (run->victim->pipe_fd >= 0) {
		r = slots_take(run->store.dir_fd, SLOTS_COMPRESS, capture_threads(),
			       run->victim->hold_until_us, &fd);
		victim_check_hold(run->victim);
	}
	if (r == -ETIME)
		r = slots_take(run->store.dir_fd, SLOTS_COMPRESS, capture_threads(), UINT64_MAX,
			       &fd);
	if (r < 0)
		log_warning("slots: %s/slots: %s", run->config->store, strerror(-r));
	return fd;
}

/* The spool makes way for what it was compressed to: the record first, so that it names what there
 * is. */
static void compress(struct run *run)
{
	bool raw = run->crash.core_file && strcmp(run->crash.core_file, CRASH_CORE_RAW_NAME) == 0;
	int r = capture_compress(run->capture, run->dirfd, &run->crash, run->config->digest_max,
				 check_hold, run);

	if (r < 0)
		log_warning("crash %s: stays as it is, not compressed: %s", run->crash.id,
			    strerror(-r));
	if (r < 0 || !raw)
		return;
	own_core(run, run->crash.core_file);
	if (publish(run))
		(void)unlinkat(run->dirfd, CRASH_CORE_RAW_NAME, 0);
}

/*
 * Unless the victim is held: it was let go, and that it ends, too, is seen to here.  Whoever took
 * over the confined process by the victim's bytes may have kept the pipe.
 */
static void end_victim(struct run *run)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t deadline_us = run->victim->start_us + run->config->max_block_ms * 1000;
	uint64_t grace_us = now_us + LAST_GRACE_US;

	if (run->victim->pipe_fd >= 0 || !run->victim->is_dumping)
		return;
	if (!victim_has_ended(run->victim, now_us + SOON_US))
		confined_end(&run->capture->process);
	victim_end_by(run->victim, deadline_us > grace_us ? deadline_us : grace_us);
}

static void work_on_core(struct run *run)
{
	if (!run->crash.core_file)
		return;
	cleanup_fd int slot = take_compress_slot(run);
	compress(run);
	record_sync(run->dirfd, run->crash.core_file);
	capture_digests(run->capture, run->dirfd, &run->crash, run->config->digest_max, check_hold,
			run);
	(void)publish(run);
}

static void count(const struct run *run, const struct counters *counters)
{
	static const enum counter pushes[] = {
		[CRASH_DELEGATION_DONE] = COUNTER_PUSH_DONE,
		[CRASH_DELEGATION_FAILED] = COUNTER_PUSH_FAILED,
		[CRASH_DELEGATION_REFUSED] = COUNTER_PUSH_REFUSED,
		[CRASH_DELEGATION_ERROR] = COUNTER_PUSH_FAILED,
	};

	counters_add(counters, COUNTER_SEEN, 1);
	counters_add(counters, run->counter, 1);
	counters_add(counters, COUNTER_EVICTED_CORES, run->made_room);
	counters_add(counters, COUNTER_CAPTURED_BYTES, run->crash.captured_bytes);
	counters_add(counters, COUNTER_HOLE_BYTES, run->crash.holes_bytes);
	counters_add(counters, COUNTER_STORED_BYTES, run->crash.stored_size);
	counters_held(counters, run->victim->held_us);
	if (run->crash.delegation != CRASH_DELEGATION_NONE)
		counters_add(counters, pushes[run->crash.delegation], 1);
}

static void keep_books(struct run *run)
{
	struct counters counters = { .map = NULL };
	int r = counters_open(run->store.dir_fd, run->store.gid, true, &counters);

	if (r < 0)
		log_warning("counters in %s: %s", run->config->store, strerror(-r));
	/* One that is not shown is counted by who recovers it. */
	if (run->is_published)
		count(run, &counters);
	/* From now on this crash may make way for others, too. */
	fd_close(&run->dirfd);
	keep_house(run, &counters);
	counters_close(&counters);
}

/* The way of a crash; early: capture_init() of it.  True: there is a record of it. */
bool handle_crash(const struct arguments *arguments, const struct config *config,
		  const char *config_error, struct victim *victim, struct capture *early)
{
	struct run run = { .arguments = arguments,
			   .config = config,
			   .victim = victim,
			   .capture = early,
			   .dirfd = -1,
			   .store = { .dir_fd = -1, .crashes_fd = -1 } };
	struct delegation delegation = { .arguments = arguments,
					 .config = config,
					 .config_error = config_error[0] ? config_error : NULL,
					 .victim = victim,
					 .crash = &run.crash };
	struct capture_result captured;

	crash_init(&run.crash);
	capture_look(early, victim->pipe_fd,
		     victim->is_dumping && !arguments->pipe_only ? victim->procfd : -1,
		     victim->start_us + config->max_block_ms * 1000);
	if (open_directory(&run) == 0) {
		capture(&run, &captured);
		describe(&run, &captured);
		own_core(&run, run.crash.core_file);
		delegation.dirfd = run.dirfd;
		if (!delegate_wants_hold(&delegation))
			victim_release(victim);
		(void)publish(&run);
		end_victim(&run);
		/* One that is held must not depend on who handles its bytes. */
		if (victim->pipe_fd >= 0)
			confined_end(&early->process);
		work_on_core(&run);
		capture_end(early);
		delegate_core(&delegation);
		victim_release(victim);
		run.crash.held_us = victim->held_us;
		(void)publish(&run);
		keep_books(&run);
	}
	bool recorded = run.is_published;
	capture_end(early);
	crash_release(&run.crash);
	store_close(&run.store);
	fd_close(&run.dirfd);
	end_victim(&run);
	return recorded;
}
