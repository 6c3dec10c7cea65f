// SPDX-License-Identifier: MIT
/*
 * Handing the core over to the container: whether it is done, and that it is.
 *
 * The programs run here are the host's own agent, and programs of the container with the victim's
 * rights; nothing of the container is opened or run before those are in force (enter.c).
 */
#include "delegate.h"

#include "delegate-attempt.h"
#include "delivery-left-over.h"
#include "delivery.h"
#include "victim-cgroup.h"

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
		delegate_set_result(d->crash, CRASH_DELEGATION_REFUSED, reason);
}

static bool has_delivery(const struct delegation *d)
{
	return d->arguments->delegate[0] || d->config->push;
}

/* To be called when the crash is published: from then on the delivery may be another helper's to go
 * on with.  delegate_end() when the record says how it ended. */
void delegate_prepare(struct delegation *d)
{
	if (has_work(d) && !find_refusal(d) && d->victim->has_plan && has_delivery(d))
		delivery_keep(d);
}

/* The last. */
void delegate_end(struct delegation *d)
{
	delivery_forget(d);
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
		delegate_set_result(d->crash, CRASH_DELEGATION_REFUSED, refusal);
		return;
	}
	if (!d->victim->has_plan) {
		delegate_set_result(d->crash, CRASH_DELEGATION_ERROR, d->victim->no_plan);
		return;
	}
	if (has_delivery(d))
		delivery_run(d);
	if (d->config->fallback_core && delegate_nobody_took_it(d->crash))
		delegate_write_fallback(d);
	if (d->crash->delegation == CRASH_DELEGATION_DONE)
		(void)crash_set_string(&d->crash->delegation_reason, d->victim->note);
	victim_cgroup_tidy(d->victim);
	victim_release(d->victim);
}
