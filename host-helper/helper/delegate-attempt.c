// SPDX-License-Identifier: MIT
/*
 * One attempt to hand the core over: one child that is started, fed and ended, and what is written
 * down of it.
 *
 * What the child says and how it exits is the container's word, no more.
 */
#include "delegate-attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "delegate-child.h"
#include "delegate-feed.h"
#include "fd.h"
#include "handoff.h"

#define ABANDON_MS 10000 /* for taking back what is half there */

static ssize_t read_stored(void *context, void *buf, size_t len, uint64_t offset)
{
	return pread(*(const int *)context, buf, len, (off_t)offset);
}

static const char *feed_error_text(int error)
{
	return error == -ECHILD ? "the process that did it was ended" : strerror(-error);
}

/* Writes down how it ended, and why (NULL: that says it all). */
void delegate_set_result(struct crash *crash, enum crash_delegation delegation, const char *reason)
{
	crash->delegation = delegation;
	(void)crash_set_string(&crash->delegation_reason, reason);
}

static void set_error(struct crash *crash, enum enter_step step, int error)
{
	cleanup_free char *reason = NULL;

	if (asprintf(&reason, "%s: %s", enter_step_name(step), strerror(-error)) < 0)
		reason = NULL;
	delegate_set_result(crash, CRASH_DELEGATION_ERROR, reason);
}

/* Writes down how it ended.  Output and status are the container's word, no more. */
static void set_ended(struct crash *crash, const struct delegate_result *result)
{
	if (result->output) {
		size_t len = strlen(result->output);

		if (len > 0 && result->output[len - 1] == '\n')
			result->output[len - 1] = '\0';
	}
	(void)crash_set_string(&crash->output, result->output);
	if (!result->not_ended) {
		crash->exit_status = WIFEXITED(result->status) ? WEXITSTATUS(result->status) : -1;
		crash->term_signal = WIFSIGNALED(result->status) ? WTERMSIG(result->status) : 0;
	}

	if (result->not_ended)
		delegate_set_result(
			crash, CRASH_DELEGATION_FAILED,
			"push_timeout is over, and SIGKILL does not end it: it waits in the "
			"kernel");
	else if (result->timed_out)
		delegate_set_result(crash, CRASH_DELEGATION_FAILED,
				    result->hold_is_over
					    ? "ended by coreferry: hold_max is over, and with the "
					      "held process its container ended"
					    : "ended by coreferry: push_timeout is over");
	else if (!result->started && result->error == 0)
		delegate_set_result(crash, CRASH_DELEGATION_FAILED,
				    "it was ended before it was started");
	else if (!result->started)
		set_error(crash, result->step, result->error);
	else if (crash->exit_status == 0)
		delegate_set_result(crash, CRASH_DELEGATION_DONE, NULL);
	else if (crash->exit_status == EX_CONFIG && strcmp(crash->delegate, "agent") == 0)
		delegate_set_result(
			crash, CRASH_DELEGATION_FAILED,
			"the agent has no URL to push to, or a configuration that it cannot use");
	else
		delegate_set_result(crash, CRASH_DELEGATION_FAILED, NULL);
}

/* Runs one child with the stored file on its stdin. */
static int run_with_stored(const struct delegation *d, struct delegate_run run,
			   struct delegate_result *ret_result)
{
	cleanup_fd int file = openat(d->dirfd, d->crash->core_file,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (file < 0)
		return -errno;
	run.source = read_stored;
	run.source_context = &file;
	return delegate_run(&run, ret_result);
}

/* The same with the raw core.  *ret_feed_error: 0, or -errno: the child got a part of it. */
static int run_with_raw(const struct delegation *d, struct delegate_run run,
			struct delegate_result *ret_result, int *ret_feed_error)
{
	struct delegate_feed feed;
	int r = delegate_feed_start(d->dirfd, d->crash->core_file, &feed, &run.stdin_fd);

	if (r < 0)
		return r;
	r = delegate_run(&run, ret_result);
	*ret_feed_error = delegate_feed_end(&feed);
	return r;
}

static struct delegate_run new_run(const struct delegation *d, delegate_child_fn child,
				   void *context)
{
	return (struct delegate_run){
		.child = child,
		.child_context = context,
		.timeout_ms = d->config->push_timeout_ms,
		.end_signal = child == delegate_child_program ? DELEGATE_CHILD_END_SIGNAL : 0,
		.victim = d->victim,
	};
}

/* What a delegate made of a part of a core is not what was wanted. */
static void set_feed_error(struct crash *crash, int error)
{
	cleanup_free char *reason = NULL;

	if (asprintf(&reason, "the core could not be unpacked: %s", feed_error_text(error)) < 0)
		reason = NULL;
	delegate_set_result(crash, CRASH_DELEGATION_FAILED, reason);
}

static bool is_stored_form(const struct delegation *d, bool is_agent)
{
	return is_agent && strcmp(d->crash->core_file, CRASH_CORE_ZST_NAME) == 0;
}

/* With what is to be told of it to whoever is started. */
static int make_handoff(const struct delegation *d, const struct attempt *a,
			struct handoff *handoff)
{
	const struct victim_text *environ = &d->victim->files[VICTIM_ENVIRON];
	const struct handoff_request request = { .crash = d->crash,
						 .config = d->config,
						 .environ = environ->data,
						 .environ_len = environ->len,
						 .is_agent = a->is_agent,
						 .stored_form = is_stored_form(d, a->is_agent),
						 .resume = a->resume,
						 .cwd = d->is_again ? d->crash->cwd : NULL,
						 .abandon = a->abandon };

	return handoff_make(handoff, &request);
}

static int run_program_or_agent(const struct delegation *d, const struct attempt *a,
				struct delegate_result *result, int *feed_error)
{
	cleanup_handoff struct handoff handoff = { { NULL } };
	struct delegate_child child = { .plan = &d->victim->plan,
					.agent_path = d->config->agent,
					.arguments = d->arguments->delegate,
					.environment = handoff.environment };
	struct delegate_run run =
		new_run(d, a->is_agent ? delegate_child_agent : delegate_child_program, &child);
	int r = make_handoff(d, a, &handoff);

	if (r < 0)
		return r;
	if (a->is_agent) {
		run.said = a->said;
		run.said_context = a->said_context;
	}
	if (a->abandon && run.timeout_ms > ABANDON_MS)
		run.timeout_ms = ABANDON_MS;
	return is_stored_form(d, a->is_agent) ? run_with_stored(d, run, result)
					      : run_with_raw(d, run, result, feed_error);
}

/*
 * Starts the agent or the program once, and waits for its end, which the record then tells:
 * delegation, delegation_reason, exit_status, term_signal, output.
 */
enum attempt_end delegate_attempt(const struct delegation *d, const struct attempt *a)
{
	struct delegate_result result = { 0 };
	int feed_error = 0;

	d->crash->exit_status = -1;
	d->crash->term_signal = 0;
	int r = run_program_or_agent(d, a, &result, &feed_error);
	if (r < 0)
		set_error(d->crash, ENTER_STEP_PREPARE, r);
	else
		set_ended(d->crash, &result);
	if (d->crash->delegation == CRASH_DELEGATION_DONE && feed_error < 0)
		set_feed_error(d->crash, feed_error);
	free(result.output);
	if (r < 0 || result.not_ended || result.hold_is_over)
		return ATTEMPT_FINAL;
	if (result.timed_out)
		return ATTEMPT_TIMED_OUT;
	return result.started && d->crash->exit_status == EX_TEMPFAIL ? ATTEMPT_AGAIN
								      : ATTEMPT_FINAL;
}

/* True where nobody in the container took the core: no such program, or no URL. */
bool delegate_nobody_took_it(const struct crash *crash)
{
	return crash->delegation == CRASH_DELEGATION_ERROR ||
	       crash->delegation == CRASH_DELEGATION_NONE ||
	       (crash->delegation == CRASH_DELEGATION_FAILED && crash->exit_status == EX_CONFIG);
}

/* Has the core written to the container's /tmp, with the victim's rights; fallback_core of the
 * record tells how that ended. */
void delegate_write_fallback(const struct delegation *d)
{
	const struct arguments *a = d->arguments;
	struct delegate_result result = { 0 };
	char path[80];
	struct delegate_child child = { .plan = &d->victim->plan, .fallback_path = path };
	cleanup_free char *text = NULL;
	int n, feed_error = 0;

	snprintf(path, sizeof(path), "/tmp/core.%u.%u.%u", a->pid, a->uid, a->gid);
	int r = run_with_raw(d, new_run(d, delegate_child_fallback, &child), &result, &feed_error);

	if (r == 0 && feed_error < 0)
		n = asprintf(&text, "not written whole: %s: %s", path, feed_error_text(feed_error));
	else if (r == 0 && result.started && WIFEXITED(result.status) &&
		 WEXITSTATUS(result.status) == 0)
		n = asprintf(&text, "written: %s", path);
	else if (r == 0 && result.started)
		n = asprintf(&text, "not written: %s: %s", path,
			     result.timed_out ? "push_timeout is over" : result.output);
	else
		n = asprintf(&text, "not written: %s: %s", enter_step_name(result.step),
			     strerror(r < 0 ? -r : -result.error));
	if (n >= 0)
		(void)crash_set_string(&d->crash->fallback_core, text);
	free(result.output);
}
