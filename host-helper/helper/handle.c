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
#include "container-links.h"
#include "crash.h"
#include "delegate.h"
#include "fd.h"
#include "finish.h"
#include "house.h"
#include "log.h"
#include "lookup.h"
#include "record.h"
#include "reserve.h"
#include "rules.h"
#include "slots.h"
#include "store.h"
#include "turns.h"

#define NICE_AFTER_RELEASE 10
#define LAST_GRACE_US	   2000000U /* in which a victim that is let go ends by itself */
#define SOON_US		   100000U
#define EARLY_RECORD_BYTES (8ULL << 20)

struct run {
	const struct arguments *arguments;
	const struct config *config;	 /* for this container: apply_rules() */
	const struct config *all_config; /* for all */
	struct config effective;
	struct rules_verdict verdict;
	struct victim *victim;
	struct crash crash;
	struct store store;
	int dirfd;	      /* the crash's directory, or -1: there is none */
	struct lookup lookup; /* of the container's name */
	struct container_links links;
	struct admission admission;
	struct capture_request request;
	struct capture *capture;
	struct house house;
	enum counter counter;	     /* where the outcome is counted */
	unsigned made_room;	     /* cores removed to make room for this one */
	char owner[TURN_OWNER_SIZE]; /* who answers for it where things are shared out */
	bool is_published;
};

/* --- may the core be taken? --- */

static void refuse(struct run *run, enum counter counter, const char *reason)
{
	run->admission.refused = true;
	run->admission.counter = counter;
	snprintf(run->admission.reason, sizeof(run->admission.reason), "%s", reason);
}

/* By the configuration: the reason names the section. */
static void refuse_off(struct run *run)
{
	char reason[ADMISSION_REASON_SIZE];

	snprintf(reason, sizeof(reason), "off: %.200s",
		 run->verdict.off[0] ? run->verdict.off : "no core is taken on this host");
	refuse(run, COUNTER_REFUSED_EXCLUDE, reason);
}

static void snapshot(struct run *run)
{
	victim_snapshot(run->victim, run->arguments,
			run->config->rules[0] || delegate_is_wanted(run->arguments, run->config));
	container_links_close(&run->links);
	if (victim_check_alive(run->victim) == 0)
		container_links_open(run->victim->procfd, &run->links);
	if (record_fill(&run->crash, run->arguments, run->victim) < 0)
		log_error("pid %u crashed: out of memory for its record", run->arguments->pid);
}

/* Needs no victim, only what snapshot() has opened: so a small crash need not wait for it. */
static void fill_addresses(struct run *run)
{
	if (run->links.netns_fd < 0)
		return;
	int r = container_links_read(&run->links, &run->crash.addresses);
	if (r < 0)
		log_warning("crash %s: the interfaces that lead to its container: %s",
			    run->crash.id, strerror(-r));
}

static bool is_no_room(int error)
{
	return error == -ENOSPC || error == -EDQUOT;
}

static int open_directory(struct run *run)
{
	int r = store_open(run->config->store, true, &run->store);

	if (r == 0)
		do
			r = record_begin(&run->store, &run->crash, run->arguments->pid,
					 &run->dirfd);
		while (is_no_room(r) && reserve_use(run->store.dir_fd));
	if (r < 0) {
		/* The log is all that tells of it. */
		snapshot(run);
		log_error("pid %u (%s) crashed: no record: %s: %s", run->arguments->pid,
			  run->crash.comm ? run->crash.comm : "?", run->config->store,
			  strerror(-r));
	}
	return r;
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
	return config->rules[0] || config->exclude_exe[0] || config->exclude_container[0] ||
	       config->rate_per_container.count > 0 || config->rate_per_signature.count > 0;
}

/* Waits for the container's name where it decides what is to be done, and goes by the sections of
 * the configuration from then on. */
static void apply_rules(struct run *run)
{
	if (!run->config->rules[0] && !run->config->exclude_container[0])
		return;
	lookup_finish(&run->lookup, run->victim, &run->crash);
	rules_apply(run->config, &run->crash, &run->effective, &run->verdict);
	run->config = &run->effective;
	if (run->verdict.is_off_in_doubt && !run->victim->root_only) {
		run->victim->root_only = run->verdict.doubt;
		run->crash.root_only = true;
	}
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
		run->made_room = house_make_room(&run->store, run->all_config);
		fill_space(run, &request);
		admission_decide_space(&request, &run->admission);
	}
}

/* --- in the victim's time --- */

/* A slot, or run->admission says why not. */
static void take_slot(struct run *run, struct turn *turn)
{
	unsigned count = slots_count(run->config->slots);
	char reason[ADMISSION_REASON_SIZE];
	int r;

	run->crash.uid = run->arguments->uid;
	(void)record_fill_container(&run->crash, run->victim);
	turn_owner(&run->crash, run->owner);
	r = turn_take_capture(run->store.dir_fd, run->owner, count,
			      run->victim->start_us + run->config->max_block_ms * 1000, turn);
	if (r == -ETIME) {
		snprintf(reason, sizeof(reason),
			 "max_block was over before one of %u slots was free", count);
		refuse(run, COUNTER_REFUSED_SLOTS_BUSY, reason);
	} else if (r < 0) {
		/* Slots are there to spare the machine: not a reason to lose a core. */
		log_warning("slots: %s/slots: %s", run->config->store, strerror(-r));
	}
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
	int r;

	do
		r = store_write_record(&run->store, run->dirfd, &run->crash);
	while (is_no_room(r) && reserve_use(run->store.dir_fd));
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
	fill_addresses(run);
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
	cleanup_turn struct turn turn = { -1, -1 };

	take_slot(run, &turn);
	/* Behind the slot: in a storm of crashes its engine has not all of their questions at once.
	 */
	lookup_start(&run->lookup, run->config, run->victim);
	if (known)
		snapshot(run);
	apply_rules(run);
	if (run->config->off && !run->admission.refused)
		refuse_off(run);
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

static void write_while_delegating(void *context)
{
	(void)publish(context);
}

static void check_hold(void *context)
{
	struct run *run = context;

	victim_check_hold(run->victim);
}

/* A turn for the work after the release: however long that takes, but no longer than a victim is
 * held. */
static void take_work_turn(struct run *run, struct turn *turn)
{
	unsigned count = capture_threads();
	int r = -ETIME;

	if (run->victim->pipe_fd >= 0) {
		r = turn_take_work(run->store.dir_fd, run->owner, count, run->victim->hold_until_us,
				   turn);
		victim_check_hold(run->victim);
	}
	if (r == -ETIME)
		r = turn_take_work(run->store.dir_fd, run->owner, count, UINT64_MAX, turn);
	if (r < 0)
		log_warning("slots: %s/slots: %s", run->config->store, strerror(-r));
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

static bool write_published(void *context)
{
	return publish(context);
}

static void work_on_core(struct run *run)
{
	cleanup_turn struct turn turn = { -1, -1 };
	const struct finish finish = { .store = &run->store,
				       .config = run->config,
				       .dirfd = run->dirfd,
				       .crash = &run->crash,
				       .capture = run->capture,
				       .write = write_published,
				       .tick = check_hold,
				       .context = run };

	if (!run->crash.core_file)
		return;
	take_work_turn(run, &turn);
	finish_core(&finish);
}

/* All that follows the publication. */
static void work_and_delegate(struct run *run, struct delegation *delegation)
{
	cleanup_fd int unfinished = -1;

	if (turn_take_unfinished(run->store.dir_fd, run->owner, &unfinished)) {
		delegate_prepare(delegation);
		work_on_core(run);
		capture_end(run->capture);
		delegate_core(delegation);
	} else {
		delegate_refuse(delegation, "too many crashes of this container are being worked "
					    "on; the core can be pulled");
	}
	victim_release(run->victim);
	run->crash.held_us = run->victim->held_us;
	if (publish(run))
		delegate_end(delegation);
	fd_close(&delegation->state_fd);
	if (run->is_published)
		house_count_work(&run->house, &run->crash);
	/* From now on this crash may make way for others, too. */
	fd_close(&run->dirfd);
}

/* The way of a crash; early: capture_init() of it.  True: there is a record of it. */
bool handle_crash(const struct arguments *arguments, const struct config *config,
		  const char *config_error, struct victim *victim, struct capture *early)
{
	struct run run = { .arguments = arguments,
			   .config = config,
			   .all_config = config,
			   .victim = victim,
			   .capture = early,
			   .dirfd = -1,
			   .lookup = { .engine_fd = -1, .bundle_fd = -1 },
			   .links = { -1, -1, -1 },
			   .store = { .dir_fd = -1, .crashes_fd = -1 } };
	struct delegation delegation = { .arguments = arguments,
					 .config = config,
					 .config_error = config_error[0] ? config_error : NULL,
					 .victim = victim,
					 .crash = &run.crash,
					 .write = write_while_delegating,
					 .context = &run,
					 .state_fd = -1 };
	struct capture_result captured;

	crash_init(&run.crash);
	capture_look(early, victim->pipe_fd,
		     victim->is_dumping && !arguments->pipe_only ? victim->procfd : -1,
		     victim->start_us + config->max_block_ms * 1000);
	if (open_directory(&run) == 0) {
		capture(&run, &captured);
		house_open(&run.house, &run.store, config);
		delegation.config = run.config;
		if (run.verdict.is_push_in_doubt && !delegation.config_error)
			delegation.config_error = run.verdict.doubt;
		describe(&run, &captured);
		finish_own_core(&run.store, run.dirfd, &run.crash);
		delegation.dirfd = run.dirfd;
		delegation.storefd = run.store.dir_fd;
		if (!delegate_wants_hold(&delegation))
			victim_release(victim);
		fill_addresses(&run);
		(void)publish(&run);
		end_victim(&run);
		if (run.is_published)
			house_count_crash(&run.house, &run.crash, run.counter, run.made_room);
		/* One that is held must not depend on who handles its bytes. */
		if (victim->pipe_fd >= 0)
			confined_end(&early->process);
		lookup_finish(&run.lookup, victim, &run.crash);
		work_and_delegate(&run, &delegation);
		house_keep(&run.house);
	} else if (run.store.crashes_fd >= 0) {
		victim_release(victim);
		house_open(&run.house, &run.store, config);
		house_count_unheard(&run.house);
		/* There may be room for the next one. */
		house_keep(&run.house);
	}
	bool recorded = run.is_published;
	capture_end(early);
	house_close(&run.house);
	lookup_close(&run.lookup);
	container_links_close(&run.links);
	crash_release(&run.crash);
	store_close(&run.store);
	fd_close(&run.dirfd);
	end_victim(&run);
	return recorded;
}
