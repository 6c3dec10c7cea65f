/* SPDX-License-Identifier: MIT */
/*
 * Numbers as Prometheus reads them.  metrics_write() is pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"

/* What is not counted but looked at. */
struct metrics_gauges {
	uint64_t crashes, captures, stored_bytes, free_bytes, total_bytes;
	uint64_t requests, uploads, followers;
	bool is_registered, has_counters;
};

char *metrics_write(const struct counters_snapshot *counters, const struct metrics_gauges *gauges,
		    size_t *ret_len);
bool metrics_is_registered(const char *core_pattern);
