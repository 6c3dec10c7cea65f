// SPDX-License-Identifier: MIT
/*
 * A delivery: attempts, with pauses between them, and the log of them in the record.
 *
 * What the agent says of its attempt is the container's word: it goes into the record, escaped, and
 * decides how long is waited, within bounds.  While it waits a delivery holds no slot and no turn.
 */
#include "delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "backoff.h"
#include "clock.h"
#include "container-life.h"
#include "delegate-attempt.h"
#include "delivery-state.h"
#include "fd.h"
#include "push-report.h"

#define WRITE_US       3000000U	   /* from one record to the next while bytes move */
#define LOOK_US	       5000000U	   /* from one look at the container to the next */
#define NAP_US	       100000U	   /* while the victim is held, or is about to be let go */
#define PROGRESS_BYTES (64U << 10) /* less than that is none */

struct delivery {
	const struct delegation *d;
	bool is_agent;
	uint64_t first_us; /* when the first attempt began: CLOCK_MONOTONIC, as the others */
	uint64_t attempt_us, written_us;
	struct push_report report; /* of the last attempt */
	struct push_report_lines lines;
	char *resume;		  /* what is half there, as the agent has it, or NULL */
	uint64_t reached;	  /* offset at the endpoint, when that counted as progress last */
	unsigned failures;	  /* in a row, without progress */
	uint64_t recorded_offset; /* what the record says */
};

static struct crash *crash_of(const struct delivery *v)
{
	return v->d->crash;
}

static void write_record(struct delivery *v)
{
	v->d->write(v->d->context);
	v->written_us = clock_monotonic_us();
	v->recorded_offset = v->report.offset + v->report.sent;
}

/* What the agent has said so far, into the log. */
static void log_report(struct delivery *v)
{
	struct crash_attempt *a = crash_attempts_last(&crash_of(v)->attempts);
	const struct push_report *r = &v->report;

	(void)crash_set_string(&a->protocol, r->protocol);
	(void)crash_set_string(&a->url, r->url);
	(void)crash_set_string(&a->verified, r->verified);
	a->status = r->status;
	a->sent = r->sent;
	a->offset = r->offset;
	a->total = r->total;
	a->duration_ms = (clock_monotonic_us() - v->attempt_us) / 1000;
}

static void take_said(void *context, const char *bytes, size_t len)
{
	struct delivery *v = context;

	if (push_report_take(&v->lines, bytes, len, &v->report) == 0)
		return;
	if (v->report.resume && (!v->resume || strcmp(v->resume, v->report.resume) != 0)) {
		(void)crash_set_string(&v->resume, v->report.resume);
		if (v->d->state_fd >= 0)
			delivery_state_set_resume(v->d->state_fd, v->report.resume);
	}
	log_report(v);
	if (v->report.offset + v->report.sent != v->recorded_offset &&
	    clock_monotonic_us() - v->written_us >= WRITE_US)
		write_record(v);
}

static enum attempt_end make_attempt(struct delivery *v)
{
	struct crash *crash = crash_of(v);
	const struct attempt attempt = {
		.is_agent = v->is_agent, .resume = v->resume, .said = take_said, .said_context = v
	};

	push_report_release(&v->report);
	v->lines = (struct push_report_lines){ .len = 0 };
	v->attempt_us = clock_monotonic_us();
	(void)crash_attempts_add(&crash->attempts, clock_now_us());
	crash->next_attempt_us = 0;
	delegate_set_result(crash, CRASH_DELEGATION_RUNNING, NULL);
	write_record(v);

	enum attempt_end end = delegate_attempt(v->d, &attempt);

	log_report(v);
	struct crash_attempt *a = crash_attempts_last(&crash->attempts);
	a->is_under_way = false;
	a->exit_status = crash->exit_status;
	a->term_signal = crash->term_signal;
	(void)crash_set_string(&a->reason, crash->delegation_reason && !v->report.error
						   ? crash->delegation_reason
						   : v->report.error);
	return end;
}

/* True if the endpoint has more of it than when that was asked last. */
static bool has_progress(struct delivery *v)
{
	if (v->report.offset < v->reached + PROGRESS_BYTES)
		return false;
	v->reached = v->report.offset;
	return true;
}

static void nap(uint64_t us)
{
	const struct timespec pause = { .tv_sec = (time_t)(us / 1000000),
					.tv_nsec = (long)(us % 1000000 * 1000) };

	nanosleep(&pause, NULL);
}

/* Waits until then, lets the victim go in between if its time is over; true: the container lives.
 */
static bool wait_until(const struct delivery *v, uint64_t until_us)
{
	uint64_t now, look_us = 0;
	bool was_held = v->d->victim->pipe_fd >= 0;

	for (;;) {
		now = clock_monotonic_us();
		victim_check_hold(v->d->victim);
		bool is_held = v->d->victim->pipe_fd >= 0;
		if (now >= look_us || now >= until_us || is_held != was_held) {
			if (!container_lives(v->d->victim))
				return false;
			look_us = now + LOOK_US;
		}
		if (now >= until_us)
			return true;
		uint64_t left_us = until_us - now, most_us = is_held ? NAP_US : LOOK_US;
		was_held = is_held;
		nap(left_us < most_us ? left_us : most_us);
	}
}

/* Adds why there will be no other attempt to why the last one ended. */
static void give_up(const struct delivery *v, const char *why)
{
	struct crash *crash = crash_of(v);
	cleanup_free char *reason = NULL;

	if (asprintf(&reason, "%s after %u attempt%s%s%s", why, crash->attempts.count,
		     crash->attempts.count == 1 ? "" : "s",
		     crash->delegation_reason ? "; the last one was " : "",
		     crash->delegation_reason ? crash->delegation_reason : "") < 0)
		reason = NULL;
	delegate_set_result(crash, CRASH_DELEGATION_FAILED, reason);
}

/* True: it is time for the next one.  False: there will be none, and the record says why. */
static bool wait_for_next(struct delivery *v)
{
	const struct delegation *d = v->d;
	cleanup_free char *last_reason = NULL;
	uint32_t random = 0;

	if (d->config->retry_for_ms == 0)
		return false;
	v->failures = has_progress(v) ? 1 : v->failures + 1;
	(void)!getrandom(&random, sizeof(random), 0);
	uint64_t pause_us = backoff_ms(v->failures, v->report.retry_after_s, random) * 1000;
	uint64_t now = clock_monotonic_us();
	if (now + pause_us > v->first_us + d->config->retry_for_ms * 1000) {
		give_up(v, "retry_for is over");
		return false;
	}
	last_reason = ptr_steal(&d->crash->delegation_reason);
	delegate_set_result(d->crash, CRASH_DELEGATION_WAITING, NULL);
	d->crash->next_attempt_us = clock_now_us() + pause_us;
	write_record(v);
	bool lives = wait_until(v, now + pause_us);
	d->crash->next_attempt_us = 0;
	delegate_set_result(d->crash, CRASH_DELEGATION_FAILED, last_reason);
	if (!lives)
		give_up(v, "the container has ended");
	return lives;
}

/* Has taken back what is half there, where something is and that can still be done; what the record
 * says of the delivery stays. */
static void abandon(struct delivery *v)
{
	const struct attempt attempt = { .is_agent = true, .resume = v->resume, .abandon = true };
	struct crash *crash = crash_of(v);

	if (crash->delegation == CRASH_DELEGATION_DONE || !v->resume ||
	    !container_lives(v->d->victim))
		return;
	struct crash kept = *crash;
	crash->delegation_reason = crash->output = NULL;
	(void)delegate_attempt(v->d, &attempt);
	bool is_gone = crash->delegation == CRASH_DELEGATION_DONE;
	free(crash->delegation_reason);
	free(crash->output);
	*crash = kept;
	cleanup_free char *reason = NULL;
	if (asprintf(&reason, "%s%s%s", crash->delegation_reason ? crash->delegation_reason : "",
		     crash->delegation_reason ? "; " : "",
		     is_gone ? "what was half there was taken back"
			     : "what is half there could not be taken back") >= 0)
		delegate_set_result(crash, crash->delegation, reason);
}

/*
 * Hands the core over by the agent, or by the program of the core_pattern line, and writes down in
 * the record what came of it.  Returns when that is final.
 */
void delivery_run(const struct delegation *d)
{
	struct delivery v = { .d = d,
			      .is_agent = d->arguments->delegate[0] == NULL,
			      .first_us = d->is_again ? d->first_us : clock_monotonic_us() };
	const char *program = v.is_agent ? "agent" : d->arguments->delegate[0];
	enum attempt_end end;

	(void)crash_set_string(&d->crash->delegate, program);
	if (!v.is_agent && program[0] != '/') {
		delegate_set_result(d->crash, CRASH_DELEGATION_REFUSED,
				    "the delegate's path must be absolute");
		return;
	}
	(void)crash_set_string(&v.resume, d->resume);
	do
		end = make_attempt(&v);
	while ((end == ATTEMPT_AGAIN ||
		(end == ATTEMPT_TIMED_OUT && v.report.offset >= v.reached + PROGRESS_BYTES)) &&
	       wait_for_next(&v));
	abandon(&v);
	push_report_release(&v.report);
	free(v.resume);
}
