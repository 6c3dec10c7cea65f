/* SPDX-License-Identifier: MIT */
/*
 * Which crashes are meant: by what the operator, or a client over HTTP, says of them.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crash-id.h"

#define CRASH_FILTER_TEXT_MAX 256
#define CRASH_FILTER_WHY_SIZE 128

/* What of a crash is looked at; NULL: not known. */
struct crash_summary {
	uint64_t time_us;
	uint32_t pid, signal;
	const char *exe, *container_name, *container_id;
};

struct crash_filter {
	uint64_t since_us, until_us; /* both inclusive; until_us 0: no end */
	bool has_pid, has_signal;
	uint32_t pid, signal;
	char exe[CRASH_FILTER_TEXT_MAX], container[CRASH_FILTER_TEXT_MAX]; /* "": any */
};

int crash_filter_set(struct crash_filter *filter, const char *key, const char *value,
		     uint64_t now_us, char why[CRASH_FILTER_WHY_SIZE]);
bool crash_filter_matches(const struct crash_filter *filter, const struct crash_summary *crash);

int crash_filter_parse_time(const char *text, uint64_t now_us, uint64_t *ret_time_us);
int crash_filter_parse_signal(const char *text, uint32_t *ret_signal);
