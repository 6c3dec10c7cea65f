// SPDX-License-Identifier: MIT
/*
 * Numbers as Prometheus reads them, its text format 0.0.4.  Pure: no text in it is anybody's but
 * ours.
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELPER_NAME "/coreferry-helper"

/* Those of one name stand together, with one HELP and TYPE. */
static void write_counters(FILE *to, const struct counters_snapshot *s)
{
	for (int i = 0; i < COUNTER_COUNT; i++) {
		const struct counter_name *n = &counter_names[i];

		if (i == 0 || strcmp(counter_names[i - 1].name, n->name) != 0)
			fprintf(to,
				"# HELP coreferry_%s_total %s.\n# TYPE coreferry_%s_total "
				"counter\n",
				n->name, n->help, n->name);
		if (n->label)
			fprintf(to, "coreferry_%s_total{%s=\"%s\"} %" PRIu64 "\n", n->name,
				n->label, n->value, s->value[i]);
		else
			fprintf(to, "coreferry_%s_total %" PRIu64 "\n", n->name, s->value[i]);
	}
}

static void write_held(FILE *to, const struct counters_snapshot *s)
{
	uint64_t have = 0;

	fputs("# HELP coreferry_held_seconds How long crashed processes were held.\n"
	      "# TYPE coreferry_held_seconds histogram\n",
	      to);
	for (int i = 0; i < COUNTERS_HELD_BOUNDS; i++) {
		have += s->held[i];
		fprintf(to, "coreferry_held_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
			(double)counters_held_bounds_us[i] / 1e6, have);
	}
	fprintf(to,
		"coreferry_held_seconds_bucket{le=\"+Inf\"} %" PRIu64
		"\ncoreferry_held_seconds_sum %.6f\ncoreferry_held_seconds_count %" PRIu64 "\n",
		s->held_count, (double)s->held_sum_us / 1e6, s->held_count);
}

static void write_gauge(FILE *to, const char *name, const char *help, uint64_t value)
{
	fprintf(to,
		"# HELP coreferry_%s %s.\n# TYPE coreferry_%s gauge\ncoreferry_%s %" PRIu64 "\n",
		name, help, name, name, value);
}

static void write_gauges(FILE *to, const struct metrics_gauges *g)
{
	write_gauge(to, "store_crashes", "Crashes in the store", g->crashes);
	write_gauge(to, "store_captures", "Captures under way", g->captures);
	write_gauge(to, "store_cores_bytes", "Disk space that the cores in the store take",
		    g->stored_bytes);
	write_gauge(to, "store_free_bytes", "Free space of the store's file system", g->free_bytes);
	write_gauge(to, "store_size_bytes", "Size of the store's file system", g->total_bytes);
	write_gauge(to, "core_pattern_registered",
		    "1 if the kernel's core_pattern names coreferry-helper", g->is_registered);
	write_gauge(to, "server_requests", "Requests under way", g->requests);
	write_gauge(to, "server_uploads", "Uploads under way", g->uploads);
	write_gauge(to, "server_followers", "Followers of /events", g->followers);
}

/* All of them (free it), or NULL: no memory. */
char *metrics_write(const struct counters_snapshot *counters, const struct metrics_gauges *gauges,
		    size_t *ret_len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_len);

	if (!to)
		return NULL;
	if (gauges->has_counters) {
		write_counters(to, counters);
		write_held(to, counters);
	}
	write_gauges(to, gauges);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* True if the kernel starts our helper: "|/PATH/coreferry-helper ...". */
bool metrics_is_registered(const char *core_pattern)
{
	size_t len = strcspn(core_pattern, " \n"), name = strlen(HELPER_NAME);

	return core_pattern[0] == '|' && core_pattern[1] == '/' && len > name &&
	       memcmp(core_pattern + len - name, HELPER_NAME, name) == 0;
}
