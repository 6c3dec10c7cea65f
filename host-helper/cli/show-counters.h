/* SPDX-License-Identifier: MIT */
/*
 * The counters of the store, for status.  Numbers only: nothing here is a victim's.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "counters.h"

uint64_t show_counters_held_within(const struct counters_snapshot *snapshot, unsigned percent);
void show_counters_text(const struct counters_snapshot *snapshot);
json_t *show_counters_json(const struct counters_snapshot *snapshot);
