// SPDX-License-Identifier: MIT
/*
 * Deliveries whose helper was stopped in the middle: by SIGKILL, or with the machine.
 *
 * The next helper goes on where that is safe: in the same boot, by the agent only, in the place
 * that the victim had (anchor.c) and with the rights that it had, which stand in a file of root's
 * (delivery-state.c).  In all other cases the record says that it was interrupted, and why nobody
 * goes on; the core can be pulled.
 */
#include "delivery-left-over.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "delegate-attempt.h"
#include "delivery-state.h"
#include "fd.h"
#include "house.h"
#include "log.h"
#include "record.h"
#include "rules.h"
#include "store.h"
#include "turns.h"
#include "victim-cgroup.h"

#define ENVIRON_MAX (1U << 20) /* as victim.c takes them */
#define CGROUP_MAX  (64U << 10)

#define STOPPED "coreferry-helper was stopped"

/* --- what is kept --- */

/*
 * Keeps what another helper needs to go on, from now until delivery_forget(): d->state_fd, or -1
 * where it cannot be written.  Nothing is lost then but that.
 */
void delivery_keep(struct delegation *d)
{
	const struct victim *v = d->victim;
	cleanup_free struct delivery_state *state = calloc(1, sizeof(*state));

	if (!state)
		return;
	state->magic = DELIVERY_STATE_MAGIC;
	state->size = sizeof(*state);
	snprintf(state->id, sizeof(state->id), "%s", d->crash->id);
	state->first_us = clock_monotonic_us();
	state->is_agent = d->arguments->delegate[0] == NULL;
	state->ends_with_victim = v->is_init;
	state->plan = v->plan;
	if (state->is_agent && !v->is_init && d->config->retry_for_ms > 0 &&
	    anchor_place_of_plan(&v->plan, &state->place) == 0)
		(void)anchor_find(&state->place, v->status.tgid, &state->anchor);
	int r = delivery_state_create(d->storefd, state, &d->state_fd);
	if (r < 0)
		log_warning("crash %s: if its helper is stopped, nobody will push it again: %s",
			    d->crash->id, strerror(-r));
}

/* The delivery is final, and the record says so. */
void delivery_forget(struct delegation *d)
{
	if (d->state_fd < 0)
		return;
	delivery_state_remove(d->storefd, d->crash->id);
	fd_close(&d->state_fd);
}

/* --- what was left over --- */

struct left_over {
	const struct store *store;
	const struct config *all_config;
	const char *config_error;
	struct config config; /* for this container: the rules' */
	struct rules_verdict verdict;
	struct delivery_state state;
	bool has_state; /* it can be read */
	int dirfd;
	struct crash crash;
	struct victim victim;
};

static void write_record(void *context)
{
	struct left_over *l = context;
	int r = store_write_record(l->store, l->dirfd, &l->crash);

	if (r < 0)
		log_error("crash %s: its record could not be written: %s", l->crash.id,
			  strerror(-r));
}

/* The attempt that was under way has ended with its helper. */
static void settle_attempt(struct crash *crash)
{
	struct crash_attempt *a = crash_attempts_last(&crash->attempts);

	crash->next_attempt_us = 0;
	if (!a || !a->is_under_way)
		return;
	a->is_under_way = false;
	(void)crash_set_string(&a->reason, STOPPED);
}

static void read_victim_file(struct left_over *l, enum victim_file which, const char *name,
			     size_t max)
{
	struct victim_text *text = &l->victim.files[which];

	(void)file_read_at(l->dirfd, name, max, &text->data, &text->len);
}

/* Takes the victim's place and rights again.  NULL, or why not. */
static const char *enter_again(struct left_over *l)
{
	struct victim *v = &l->victim;

	v->plan = l->state.plan;
	v->status.tgid = l->crash.pid;
	int r = anchor_pin(&l->state.anchor, &l->state.place, &v->plan);
	if (r < 0)
		return "its container has ended, or is not what it was";
	read_victim_file(l, VICTIM_ENVIRON, "environ", ENVIRON_MAX);
	read_victim_file(l, VICTIM_CGROUP, "cgroup", CGROUP_MAX);
	r = victim_cgroup_pin(v);
	if (r < 0)
		return "its cgroup cannot be joined any more";
	v->has_plan = true;
	return NULL;
}

/* Why it is not pushed again, or NULL: then it can be. */
static const char *find_obstacle(struct left_over *l)
{
	const struct delivery_state *s = &l->state;

	rules_apply(l->all_config, &l->crash, &l->config, &l->verdict);
	if (!record_is_same_boot(&l->crash))
		return "the machine was started anew";
	if (!l->has_state)
		return "what is needed for that cannot be read";
	if (!s->is_agent)
		return "a program of the container is not started a second time";
	if (l->config_error || l->verdict.is_push_in_doubt || l->verdict.is_off_in_doubt)
		return "the configuration is in doubt";
	if (!l->config.push || l->config.retry_for_ms == 0)
		return "the configuration does not want it";
	if (clock_monotonic_us() > s->first_us + l->config.retry_for_ms * 1000)
		return "retry_for is over";
	if (!l->crash.core_file)
		return "the core is not there any more";
	if (l->crash.root_only)
		return "the core is for the host's root alone";
	if (s->ends_with_victim)
		return "its container ended with the crashed process";
	if (s->anchor.pid == 0)
		return "no other process was where the crashed one had been";
	return enter_again(l);
}

static void push_again(struct left_over *l, int state_fd)
{
	char *no_delegate[] = { NULL };
	struct arguments arguments = { .pid = l->crash.pid,
				       .uid = l->crash.uid,
				       .gid = l->crash.gid,
				       .delegate = no_delegate };
	struct delegation delegation = { .arguments = &arguments,
					 .config = &l->config,
					 .victim = &l->victim,
					 .crash = &l->crash,
					 .dirfd = l->dirfd,
					 .write = write_record,
					 .context = l,
					 .storefd = l->store->dir_fd,
					 .state_fd = state_fd,
					 .is_again = true,
					 .first_us = l->state.first_us,
					 .resume = l->state.resume[0] ? l->state.resume : NULL };
	char owner[TURN_OWNER_SIZE];
	cleanup_fd int unfinished = -1;

	turn_owner(&l->crash, owner);
	if (turn_take_unfinished(l->store->dir_fd, owner, &unfinished))
		delegate_core(&delegation);
	else
		delegate_refuse(&delegation, "too many crashes of this container are being worked "
					     "on; the core can be pulled");
}

static bool is_final(enum crash_delegation delegation)
{
	return delegation != CRASH_DELEGATION_NONE && delegation != CRASH_DELEGATION_RUNNING &&
	       delegation != CRASH_DELEGATION_WAITING;
}

/* One crash, in a process of its own. */
static void go_on(struct left_over *l, int state_fd)
{
	struct house house;
	cleanup_free char *reason = NULL;

	if (is_final(l->crash.delegation))
		return;
	settle_attempt(&l->crash);
	const char *obstacle = find_obstacle(l);
	if (!obstacle) {
		push_again(l, state_fd);
	} else {
		if (asprintf(&reason, STOPPED ", and it was not pushed again: %s", obstacle) < 0)
			reason = NULL;
		delegate_set_result(&l->crash, CRASH_DELEGATION_INTERRUPTED, reason);
	}
	write_record(l);
	house_open(&house, l->store, l->all_config);
	house_count_push(&house, &l->crash);
	house_close(&house);
}

static void take_over(const struct store *store, const struct config *config,
		      const char *config_error, const char *id, int state_fd, bool has_state,
		      const struct delivery_state *state)
{
	struct left_over l = { .store = store,
			       .all_config = config,
			       .config_error = config_error[0] ? config_error : NULL,
			       .state = *state,
			       .has_state = has_state,
			       .dirfd = -1 };
	cleanup_fd int partial = -1;
	int r = store_open_crash(store, id, &l.dirfd);

	crash_init(&l.crash);
	victim_init(&l.victim, -1);
	if (r == 0)
		r = store_read_record(l.dirfd, &l.crash);
	if (r == 0)
		go_on(&l, state_fd);
	/* One that is not published yet is recovered first. */
	if (r == 0 || (r == -ENOENT && store_open_partial(store, id, &partial) == -ENOENT))
		delivery_state_remove(store->dir_fd, id);
	victim_close(&l.victim);
	crash_release(&l.crash);
	fd_close(&l.dirfd);
}

/* Goes on with one, in a child: that may take as long as a push takes. */
static void start_one(const struct store *store, const struct config *config,
		      const char *config_error, const char *id)
{
	static struct delivery_state state;
	cleanup_fd int state_fd = -1;
	int r = delivery_state_take(store->dir_fd, id, &state, &state_fd);

	if (r < 0 && r != -EINVAL)
		return;
	pid_t pid = fork();
	if (pid < 0)
		log_warning("crash %s: its delivery is not gone on with: %s", id, strerror(errno));
	if (pid != 0)
		return;
	take_over(store, config, config_error, id, state_fd, r == 0, &state);
	_exit(0);
}

/*
 * Looks for deliveries that nobody is at, and goes on with each, or writes down why not.  Nothing
 * of it is waited for.  The caller is a helper that has done its own work, and holds nothing of any
 * victim's any more.
 */
void delivery_left_over(const struct config *config, const char *config_error)
{
	cleanup_store struct store store = { .dir_fd = -1, .crashes_fd = -1 };
	char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;

	if (store_open(config->store, false, &store) < 0)
		return;
	int r = delivery_state_list(store.dir_fd, &ids, &count);
	if (r < 0)
		log_warning("%s: deliveries: %s", config->store, strerror(-r));
	for (size_t i = 0; i < count; i++)
		start_one(&store, config, config_error, ids[i]);
	free(ids);
}
