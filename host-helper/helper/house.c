// SPDX-License-Identifier: MIT
/*
 * What a helper does for the store when its crash is done.
 */
#include "house.h"

#include <string.h>
#include <sys/statvfs.h>

#include "capture.h"
#include "clock.h"
#include "finish.h"
#include "housekeeping.h"
#include "log.h"
#include "removal.h"
#include "reserve.h"
#include "rules.h"

static struct quota_limits make_limits(const struct store *store, const struct config *c)
{
	struct statvfs disk;
	uint64_t total = fstatvfs(store->crashes_fd, &disk) < 0
				 ? 0
				 : (uint64_t)disk.f_blocks * disk.f_frsize;

	return (struct quota_limits){
		.max_use_bytes = config_share_bytes(&c->max_use, total),
		.keep_free_bytes = config_share_bytes(&c->keep_free, total),
		.max_records = c->max_records,
		.oldest_us = c->max_age_ms ? clock_now_us() - c->max_age_ms * 1000 : 0,
		.max_per_container = c->max_per_container,
		.container_max = rules_have_max_per_container(c) ? rules_max_per_container : NULL,
		.container_max_context = c,
		.max_per_signature = c->max_per_signature
	};
}

/* Opens the counters; where that fails nothing is counted. */
void house_open(struct house *h, const struct store *store, const struct config *config)
{
	*h = (struct house){ .store = store, .config = config };
	int r = counters_open(store->dir_fd, store->gid, true, &h->counters);

	if (r < 0)
		log_warning("counters in %s: %s", config->store, strerror(-r));
}

/* Closes them; zeros are a house that is not open. */
void house_close(struct house *h)
{
	counters_close(&h->counters);
}

static void count_recovered(const struct counters *counters, const struct recover *recover)
{
	static const enum counter by_outcome[] = {
		[CRASH_STORED] = COUNTER_STORED,
		[CRASH_TRUNCATED] = COUNTER_TRUNCATED_HELPER_KILLED,
		[CRASH_REFUSED] = COUNTER_REFUSED_OTHER,
		[CRASH_FAILED] = COUNTER_FAILED,
	};

	counters_add(counters, COUNTER_RECOVERED_PARTIALS, recover->recovered);
	counters_add(counters, COUNTER_SEEN, recover->recovered);
	for (size_t i = 0; i < sizeof(by_outcome) / sizeof(*by_outcome); i++)
		counters_add(counters, by_outcome[i], recover->outcomes[i]);
}

/* Recovers, removes and finishes what is to be; the own crash must not be open any more. */
void house_keep(const struct house *h)
{
	const struct quota_limits limits = make_limits(h->store, h->config);
	struct housekeeping_result result;
	struct statvfs disk;
	unsigned finished;

	(void)removal_prepare(h->store);
	(void)removal_honour(h->store);
	/* While cores are finished there may be new ones to finish. */
	do {
		int r = housekeeping_run(h->store, &limits, capture_mend, &result);

		if (r < 0)
			log_warning("housekeeping in %s: %s", h->config->store, strerror(-r));
		counters_add(&h->counters, COUNTER_EVICTED_CORES, result.cores_removed);
		count_recovered(&h->counters, &result.recover);
		finished = finish_left_over(h->store, h->config, result.quota.raw_ids,
					    result.quota.raw_count);
	} while (finished > 0);
	if (fstatvfs(h->store->crashes_fd, &disk) == 0)
		reserve_keep(h->store->dir_fd, (uint64_t)disk.f_bavail * disk.f_frsize);
}

/* Without a crash: `coreferry-helper --keep-house`, by a timer.  False: there is no store. */
bool house_keep_alone(const struct config *config)
{
	struct store store = { .dir_fd = -1, .crashes_fd = -1 };
	struct house house;
	int r = store_open(config->store, true, &store);

	if (r < 0) {
		log_error("store %s: cannot be opened: %s", config->store, strerror(-r));
		return false;
	}
	house_open(&house, &store, config);
	house_keep(&house);
	house_close(&house);
	store_close(&store);
	return true;
}

/*
 * Of what is full already, and in the victim's time: no recovery, and nobody else's requests.
 * Returns how many cores were removed.
 */
unsigned house_make_room(const struct store *store, const struct config *config)
{
	const struct quota_limits limits = make_limits(store, config);
	struct housekeeping_result result;
	int r = housekeeping_make_room(store, &limits, &result);

	if (r < 0)
		log_warning("housekeeping in %s: %s", config->store, strerror(-r));
	return result.cores_removed;
}

/* Counts a crash that was published; made_room: cores that were removed for it.  One that is not
 * shown is counted by who recovers it. */
void house_count_crash(const struct house *h, const struct crash *crash, enum counter outcome,
		       unsigned made_room)
{
	counters_add(&h->counters, COUNTER_SEEN, 1);
	counters_add(&h->counters, outcome, 1);
	counters_add(&h->counters, COUNTER_EVICTED_CORES, made_room);
	counters_add(&h->counters, COUNTER_CAPTURED_BYTES, crash->captured_bytes);
	counters_add(&h->counters, COUNTER_HOLE_BYTES, crash->holes_bytes);
}

/* How a delivery ended. */
void house_count_push(const struct house *h, const struct crash *crash)
{
	static const enum counter pushes[] = {
		[CRASH_DELEGATION_DONE] = COUNTER_PUSH_DONE,
		[CRASH_DELEGATION_FAILED] = COUNTER_PUSH_FAILED,
		[CRASH_DELEGATION_REFUSED] = COUNTER_PUSH_REFUSED,
		[CRASH_DELEGATION_ERROR] = COUNTER_PUSH_FAILED,
		[CRASH_DELEGATION_INTERRUPTED] = COUNTER_PUSH_FAILED,
	};

	switch (crash->delegation) {
	case CRASH_DELEGATION_NONE:
	case CRASH_DELEGATION_RUNNING:
	case CRASH_DELEGATION_WAITING:
		break;
	default:
		counters_add(&h->counters, pushes[crash->delegation], 1);
	}
}

/* And what is known only when all is done. */
void house_count_work(const struct house *h, const struct crash *crash)
{
	counters_add(&h->counters, COUNTER_STORED_BYTES, crash->stored_size);
	counters_held(&h->counters, crash->held_us);
	house_count_push(h, crash);
}

/* Counts one of which the log is all that tells. */
void house_count_unheard(const struct house *h)
{
	counters_add(&h->counters, COUNTER_SEEN, 1);
	counters_add(&h->counters, COUNTER_FAILED, 1);
}
