// SPDX-License-Identifier: MIT
/*
 * The delivery log of a record.  Pure.
 *
 * Its texts are the container's and the endpoint's; what is read may have come over HTTP.
 */
#include "crash-attempts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json-fields.h"

static void release_one(struct crash_attempt *a)
{
	free(a->protocol);
	free(a->url);
	free(a->verified);
	free(a->reason);
	*a = (struct crash_attempt){ .exit_status = -1 };
}

/*
 * Adds an attempt that is under way, for the caller to fill in: it stands until the next one is
 * added.  Where there are too many the second of those that are kept makes way.
 */
struct crash_attempt *crash_attempts_add(struct crash_attempts *attempts, uint64_t time_us)
{
	struct crash_attempt *items = attempts->items;

	if (attempts->kept == CRASH_ATTEMPTS_MAX) {
		release_one(&items[1]);
		memmove(&items[1], &items[2], (CRASH_ATTEMPTS_MAX - 2) * sizeof(*items));
		attempts->kept--;
	}
	if (attempts->count < UINT32_MAX)
		attempts->count++;
	struct crash_attempt *a = &items[attempts->kept++];
	*a = (struct crash_attempt){ .number = attempts->count,
				     .time_us = time_us,
				     .is_under_way = true,
				     .exit_status = -1 };
	return a;
}

/* The newest one, or NULL. */
struct crash_attempt *crash_attempts_last(struct crash_attempts *attempts)
{
	return attempts->kept > 0 ? &attempts->items[attempts->kept - 1] : NULL;
}

/* Frees them. */
void crash_attempts_release(struct crash_attempts *attempts)
{
	for (uint32_t i = 0; i < attempts->kept; i++)
		release_one(&attempts->items[i]);
	attempts->count = attempts->kept = 0;
}

static int fill(json_t *o, const struct crash_attempt *a)
{
	if (json_put_u64(o, "number", a->number) < 0 || json_put_time(o, "time", a->time_us) < 0 ||
	    json_put_u64(o, "time_us", a->time_us) < 0 ||
	    json_put_u64(o, "duration_ms", a->duration_ms) < 0 ||
	    (a->is_under_way && json_put(o, "under_way", json_true()) < 0) ||
	    json_put_text(o, "protocol", a->protocol) < 0 || json_put_text(o, "url", a->url) < 0 ||
	    json_put_positive(o, "status", a->status) < 0 ||
	    json_put_positive(o, "sent", a->sent) < 0 ||
	    json_put_positive(o, "offset", a->offset) < 0 ||
	    json_put_positive(o, "total", a->total) < 0 ||
	    json_put_text(o, "verified", a->verified) < 0 ||
	    (a->exit_status >= 0 && json_put_u64(o, "exit_status", (uint64_t)a->exit_status) < 0) ||
	    json_put_positive(o, "term_signal", (uint64_t)a->term_signal) < 0 ||
	    json_put_text(o, "reason", a->reason) < 0)
		return -ENOMEM;
	return 0;
}

/* An array, the oldest first; NULL: no memory. */
json_t *crash_attempts_to_json(const struct crash_attempts *attempts)
{
	json_t *array = json_array();

	for (uint32_t i = 0; array && i < attempts->kept; i++) {
		json_t *o = json_object();

		if (!o || fill(o, &attempts->items[i]) < 0 || json_array_append(array, o) < 0) {
			json_decref(array);
			array = NULL;
		}
		json_decref(o);
	}
	return array;
}

static int read_one(const json_t *o, struct crash_attempt *a)
{
	a->number = json_get_u32(o, "number");
	a->time_us = json_get_u64(o, "time_us");
	a->duration_ms = json_get_u64(o, "duration_ms");
	a->is_under_way = json_is_true(json_object_get(o, "under_way"));
	a->status = json_get_u32(o, "status");
	a->sent = json_get_u64(o, "sent");
	a->offset = json_get_u64(o, "offset");
	a->total = json_get_u64(o, "total");
	if (json_object_get(o, "exit_status"))
		a->exit_status = (int32_t)(json_get_u32(o, "exit_status") & 0xff);
	a->term_signal = (int32_t)(json_get_u32(o, "term_signal") & 0x7f);
	if (json_get_text(o, "protocol", &a->protocol) < 0 ||
	    json_get_text(o, "url", &a->url) < 0 ||
	    json_get_text(o, "verified", &a->verified) < 0 ||
	    json_get_text(o, "reason", &a->reason) < 0)
		return -ENOMEM;
	return 0;
}

/*
 * Reads them into attempts (empty ones) from an array that may be missing; more than are kept are
 * left out, and count is never less than what is there.  0 or -ENOMEM.
 */
int crash_attempts_from_json(const json_t *array, uint32_t count, struct crash_attempts *attempts)
{
	size_t i;
	json_t *o;

	json_array_foreach (array, i, o) {
		if (attempts->kept == CRASH_ATTEMPTS_MAX)
			break;
		struct crash_attempt *a = &attempts->items[attempts->kept++];
		*a = (struct crash_attempt){ .exit_status = -1 };
		if (read_one(o, a) < 0)
			return -ENOMEM;
	}
	attempts->count = count > attempts->kept ? count : attempts->kept;
	return 0;
}
