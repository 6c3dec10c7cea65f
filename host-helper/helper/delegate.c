// SPDX-License-Identifier: MIT
/*
 * Handing the core over to the container: what is done, and what is written down of it.
 *
 * The programs run here are the host's own agent, and programs of the container with the victim's
 * rights; nothing of the container is opened or run before those are in force (enter.c).
 */
#include "delegate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "delegate-child.h"
#include "delegate-feed.h"
#include "delegate-run.h"
#include "fd.h"
#include "victim-cgroup.h"

static ssize_t read_stored(void *context, void *buf, size_t len, uint64_t offset)
{
	return pread(*(const int *)context, buf, len, (off_t)offset);
}

static const char *feed_error_text(int error)
{
	return error == -ECHILD ? "the process that did it was ended" : strerror(-error);
}

static void set_result(struct crash *crash, enum crash_delegation delegation, const char *reason)
{
	crash->delegation = delegation;
	(void)crash_set_string(&crash->delegation_reason, reason);
}

static void set_error(struct crash *crash, enum enter_step step, int error)
{
	cleanup_free char *reason = NULL;

	if (asprintf(&reason, "%s: %s", enter_step_name(step), strerror(-error)) < 0)
		reason = NULL;
	set_result(crash, CRASH_DELEGATION_ERROR, reason);
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
		set_result(crash, CRASH_DELEGATION_FAILED,
			   "push_timeout is over, and SIGKILL does not end it: it waits in the "
			   "kernel");
	else if (result->timed_out)
		set_result(crash, CRASH_DELEGATION_FAILED,
			   "ended by coreferry: push_timeout is over");
	else if (!result->started && result->error == 0)
		set_result(crash, CRASH_DELEGATION_FAILED, "it was ended before it was started");
	else if (!result->started)
		set_error(crash, result->step, result->error);
	else if (crash->exit_status == 0)
		set_result(crash, CRASH_DELEGATION_DONE, NULL);
	else if (crash->exit_status == EX_CONFIG && strcmp(crash->delegate, "agent") == 0)
		set_result(
			crash, CRASH_DELEGATION_FAILED,
			"the agent has no URL to push to, or a configuration that it cannot use");
	else
		set_result(crash, CRASH_DELEGATION_FAILED, NULL);
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

/* Runs one child with the core on its stdin.  0, and *ret_result; or -errno. */
static int run_child(const struct delegation *d, delegate_child_fn child, void *context,
		     bool stored_form, struct delegate_result *ret_result, int *ret_feed_error)
{
	struct delegate_run run = {
		.child = child,
		.child_context = context,
		.timeout_ms = d->config->push_timeout_ms,
		.end_signal = child == delegate_child_program ? DELEGATE_CHILD_END_SIGNAL : 0,
		.victim = d->victim,
	};

	*ret_feed_error = 0;
	return stored_form ? run_with_stored(d, run, ret_result)
			   : run_with_raw(d, run, ret_result, ret_feed_error);
}

/* What a delegate made of a part of a core is not what was wanted. */
static void set_feed_error(struct crash *crash, int error)
{
	cleanup_free char *reason = NULL;

	if (asprintf(&reason, "the core could not be unpacked: %s", feed_error_text(error)) < 0)
		reason = NULL;
	set_result(crash, CRASH_DELEGATION_FAILED, reason);
}

static void run_program_or_agent(const struct delegation *d)
{
	bool is_agent = d->arguments->delegate[0] == NULL;
	cleanup_handoff struct handoff handoff = { { NULL } };
	struct delegate_result result = { 0 };
	struct delegate_child child = { .plan = &d->victim->plan,
					.agent_path = d->config->agent,
					.arguments = d->arguments->delegate,
					.environment = handoff.environment };

	(void)crash_set_string(&d->crash->delegate, is_agent ? "agent" : child.arguments[0]);
	if (!is_agent && child.arguments[0][0] != '/') {
		set_result(d->crash, CRASH_DELEGATION_REFUSED,
			   "the delegate's path must be absolute");
		return;
	}
	bool stored_form = is_agent && strcmp(d->crash->core_file, CRASH_CORE_ZST_NAME) == 0;
	int feed_error = 0;
	int r = handoff_make(&handoff, d->crash, d->victim, d->config, stored_form);
	if (r == 0)
		r = run_child(d, is_agent ? delegate_child_agent : delegate_child_program, &child,
			      stored_form, &result, &feed_error);
	if (r < 0)
		set_error(d->crash, ENTER_STEP_PREPARE, r);
	else
		set_ended(d->crash, &result);
	if (d->crash->delegation == CRASH_DELEGATION_DONE && feed_error < 0)
		set_feed_error(d->crash, feed_error);
	free(result.output);
}

/* True where nobody in the container took the core: no such program, or no URL. */
static bool nobody_took_it(const struct crash *crash)
{
	return crash->delegation == CRASH_DELEGATION_ERROR ||
	       crash->delegation == CRASH_DELEGATION_NONE ||
	       (crash->delegation == CRASH_DELEGATION_FAILED && crash->exit_status == EX_CONFIG);
}

static void write_fallback(const struct delegation *d)
{
	const struct arguments *a = d->arguments;
	struct delegate_result result = { 0 };
	char path[80];
	struct delegate_child child = { .plan = &d->victim->plan, .fallback_path = path };
	cleanup_free char *text = NULL;
	int n, feed_error;

	snprintf(path, sizeof(path), "/tmp/core.%u.%u.%u", a->pid, a->uid, a->gid);
	int r = run_child(d, delegate_child_fallback, &child, false, &result, &feed_error);

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

/* Why nothing may be handed over, or NULL. */
static const char *find_refusal(const struct delegation *d)
{
	if (d->config_error)
		return d->config_error;
	if (d->victim->root_only)
		return d->victim->root_only;
	return NULL;
}

/* True if a core is to be handed over at all. */
bool delegate_is_wanted(const struct arguments *arguments, const struct config *config)
{
	return arguments->delegate[0] != NULL || config->push || config->fallback_core;
}

static bool has_work(const struct delegation *d)
{
	return d->crash->core_file != NULL && delegate_is_wanted(d->arguments, d->config);
}

/* True if the victim must stay until the core is handed over: its container ends with it. */
bool delegate_wants_hold(const struct delegation *d)
{
	if (!has_work(d) || find_refusal(d) || !d->victim->has_plan)
		return false;
	return d->config->hold == CONFIG_HOLD_ALWAYS ||
	       (d->config->hold == CONFIG_HOLD_INIT && d->victim->is_init);
}

/* Writes down that the core is not handed over, if it was to be. */
void delegate_refuse(const struct delegation *d, const char *reason)
{
	if (has_work(d))
		set_result(d->crash, CRASH_DELEGATION_REFUSED, reason);
}

/*
 * Hands the core over, and writes down in the record how that ended.  The victim, if it is still
 * held, is let go at the end, or when hold_max is over.
 */
void delegate_core(const struct delegation *d)
{
	const char *refusal = find_refusal(d);

	if (!has_work(d))
		return;
	if (refusal) {
		set_result(d->crash, CRASH_DELEGATION_REFUSED, refusal);
		return;
	}
	if (!d->victim->has_plan) {
		set_result(d->crash, CRASH_DELEGATION_ERROR, d->victim->no_plan);
		return;
	}
	if (d->arguments->delegate[0] || d->config->push)
		run_program_or_agent(d);
	if (d->config->fallback_core && nobody_took_it(d->crash))
		write_fallback(d);
	if (d->crash->delegation == CRASH_DELEGATION_DONE)
		(void)crash_set_string(&d->crash->delegation_reason, d->victim->note);
	victim_cgroup_tidy(d->victim);
	victim_release(d->victim);
}
