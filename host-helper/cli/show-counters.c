// SPDX-License-Identifier: MIT
/*
 * The counters of the store, for status.
 *
 * They are numbers that root's programs have written; all of them are taken as they are.
 */
#include "show-counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "show.h"

static uint64_t sum_of(const struct counters_snapshot *s, enum counter first, enum counter last)
{
	uint64_t sum = 0;

	for (int i = first; i <= (int)last; i++)
		sum += s->value[i];
	return sum;
}

/* "  truncated:      3 (disk_full 1, limit 2)" */
static void print_reasons(const char *what, const struct counters_snapshot *s, enum counter first,
			  enum counter last)
{
	const char *separator = " (";

	printf("%-17s %" PRIu64, what, sum_of(s, first, last));
	for (int i = first; i <= (int)last; i++) {
		if (s->value[i] == 0)
			continue;
		printf("%s%s %" PRIu64, separator, counter_names[i].value, s->value[i]);
		separator = ", ";
	}
	puts(*separator == ',' ? ")" : "");
}

/*
 * The shortest bound, in µs, that holds for so many percent of the victims: no more were held for
 * longer.  UINT64_MAX where that is longer than all bounds; 0 where nobody was held.
 */
uint64_t show_counters_held_within(const struct counters_snapshot *s, unsigned percent)
{
	uint64_t have = 0;

	if (s->held_count == 0)
		return 0;
	for (size_t i = 0; i < COUNTERS_HELD_BOUNDS; i++) {
		have += s->held[i];
		/* Of so many that this overflows, none was ever counted. */
		if (have * 100 >= s->held_count * percent)
			return counters_held_bounds_us[i];
	}
	return UINT64_MAX;
}

static void print_ms(const char *before, uint64_t us)
{
	if (us == UINT64_MAX)
		printf("%sfor longer than %g s", before,
		       (double)counters_held_bounds_us[COUNTERS_HELD_BOUNDS - 1] / 1e6);
	else if (us >= 1000000)
		printf("%swithin %g s", before, (double)us / 1e6);
	else
		printf("%swithin %g ms", before, (double)us / 1e3);
}

static void print_held(const struct counters_snapshot *s)
{
	if (s->held_count == 0)
		return;
	printf("%-17s %.1f ms on average",
	       "held:", (double)s->held_sum_us / (double)s->held_count / 1e3);
	print_ms("; half ", show_counters_held_within(s, 50));
	print_ms(", 95 % ", show_counters_held_within(s, 95));
	putchar('\n');
}

/* Prints them on stdout, as lines of status. */
void show_counters_text(const struct counters_snapshot *s)
{
	char captured[SHOW_SIZE_SIZE], stored[SHOW_SIZE_SIZE], holes[SHOW_SIZE_SIZE];

	show_size(s->value[COUNTER_CAPTURED_BYTES], captured);
	show_size(s->value[COUNTER_STORED_BYTES], stored);
	show_size(s->value[COUNTER_HOLE_BYTES], holes);
	printf("%-17s %" PRIu64 "\n", "crashes so far:", s->value[COUNTER_SEEN]);
	printf("%-17s %" PRIu64 "\n", "  stored:", s->value[COUNTER_STORED]);
	print_reasons("  truncated:", s, COUNTER_TRUNCATED_DISK_FULL, COUNTER_TRUNCATED_OTHER);
	print_reasons("  refused:", s, COUNTER_REFUSED_RATE_CONTAINER, COUNTER_REFUSED_OTHER);
	printf("%-17s %" PRIu64 "\n", "  failed:", s->value[COUNTER_FAILED]);
	print_reasons("pushes:", s, COUNTER_PUSH_DONE, COUNTER_PUSH_REFUSED);
	printf("%-17s %s captured, %s stored, %s were holes\n", "bytes:", captured, stored, holes);
	print_held(s);
	printf("%-17s %" PRIu64 " cores removed by quotas, %" PRIu64 " captures recovered\n",
	       "housekeeping:", s->value[COUNTER_EVICTED_CORES],
	       s->value[COUNTER_RECOVERED_PARTIALS]);
}

/* Cumulative, as Prometheus has them: how many were held no longer than le_us (null: than any). */
static json_t *held_json(const struct counters_snapshot *s)
{
	json_t *buckets = json_array();
	uint64_t have = 0;

	for (size_t i = 0; i < COUNTERS_HELD_BUCKETS; i++) {
		json_t *bound = i < COUNTERS_HELD_BOUNDS
					? json_integer((json_int_t)counters_held_bounds_us[i])
					: json_null();

		have += s->held[i];
		json_array_append_new(buckets, json_pack("{s:o?, s:I}", "le_us", bound, "count",
							 (json_int_t)have));
	}
	return json_pack("{s:I, s:I, s:o?}", "count", (json_int_t)s->held_count, "sum_us",
			 (json_int_t)s->held_sum_us, "buckets", buckets);
}

/* An object: NAME: N, or NAME: { REASON: N, ... }; and "held".  NULL: no memory. */
json_t *show_counters_json(const struct counters_snapshot *s)
{
	json_t *object = json_object();

	for (int i = 0; object && i < COUNTER_COUNT; i++) {
		const struct counter_name *name = &counter_names[i];
		json_t *number = json_integer((json_int_t)s->value[i]);

		if (!name->label) {
			json_object_set_new(object, name->name, number);
			continue;
		}
		if (!json_object_get(object, name->name))
			json_object_set_new(object, name->name, json_object());
		json_object_set_new(json_object_get(object, name->name), name->value, number);
	}
	json_object_set_new(object, "held", held_json(s));
	return object;
}
