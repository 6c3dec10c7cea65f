/* SPDX-License-Identifier: MIT */
/*
 * What became of all crashes, counted: STORE/counters, a file that is mapped and added to.
 *
 * Only root writes it; a reader takes no lock, and a writer that is killed leaves nothing behind.
 * What is in the file is not trusted to be ours: another kind or size is replaced, not read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COUNTERS_FILE_NAME "counters"

/* Every crash that was seen ends in exactly one of stored, truncated_, refused_ or failed. */
enum counter {
	COUNTER_SEEN,
	COUNTER_STORED,
	COUNTER_TRUNCATED_DISK_FULL,
	COUNTER_TRUNCATED_TIME_OVER,
	COUNTER_TRUNCATED_VICTIM_KILLED,
	COUNTER_TRUNCATED_HELPER_KILLED,
	COUNTER_TRUNCATED_LIMIT, /* max_core, honour_rlimit */
	COUNTER_TRUNCATED_CAPTURE_FAILED,
	COUNTER_TRUNCATED_OTHER,
	COUNTER_REFUSED_RATE_CONTAINER,
	COUNTER_REFUSED_RATE_SIGNATURE,
	COUNTER_REFUSED_EXCLUDE,
	COUNTER_REFUSED_RLIMIT,
	COUNTER_REFUSED_KEEP_FREE,
	COUNTER_REFUSED_SLOTS_BUSY,
	COUNTER_REFUSED_OTHER,
	COUNTER_FAILED,
	COUNTER_CAPTURED_BYTES, /* raw: what was copied */
	COUNTER_STORED_BYTES,	/* what it became in the store */
	COUNTER_HOLE_BYTES,	/* what was not there to copy */
	COUNTER_PUSH_DONE,
	COUNTER_PUSH_FAILED,
	COUNTER_PUSH_REFUSED,
	COUNTER_EVICTED_CORES,
	COUNTER_RECOVERED_PARTIALS,
	COUNTER_COUNT,
};

/* How a counter is exported: NAME, or NAME{LABEL="VALUE"}. */
struct counter_name {
	const char *name;
	const char *label, *value; /* NULL: it has none */
	const char *help;	   /* one line; the same for all of one name */
};

extern const struct counter_name counter_names[COUNTER_COUNT];

#define COUNTERS_HELD_BOUNDS 15
/* The last one: longer than all bounds. */
#define COUNTERS_HELD_BUCKETS (COUNTERS_HELD_BOUNDS + 1)

/* Upper bounds, inclusive, of how long victims were held, in µs. */
extern const uint64_t counters_held_bounds_us[COUNTERS_HELD_BOUNDS];

struct counters_file;

struct counters {
	struct counters_file *map; /* NULL: not open; then nothing is counted */
	pid_t writer;		   /* who may add, 0: nobody */
};

struct counters_snapshot {
	uint64_t value[COUNTER_COUNT];
	uint64_t held[COUNTERS_HELD_BUCKETS]; /* each for itself, not cumulative */
	uint64_t held_count, held_sum_us;     /* the count is the buckets' sum */
};

int counters_open(int storefd, gid_t gid, bool create, struct counters *ret_counters);
void counters_close(struct counters *counters);
#define cleanup_counters __attribute__((cleanup(counters_close)))

void counters_add(const struct counters *counters, enum counter counter, uint64_t n);
void counters_held(const struct counters *counters, uint64_t us);
int counters_read(const struct counters *counters, struct counters_snapshot *ret_snapshot);
