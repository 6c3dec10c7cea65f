/* SPDX-License-Identifier: MIT */
/*
 * The process by which a victim's place can be entered again when the helper that had it pinned is
 * gone: another one, in the same namespaces, with the same root directory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "enter.h"

/* Where a process is: numbers, no descriptors.  Fixed types only. */
struct anchor_place {
	struct {
		uint64_t dev, ino; /* 0: a kernel without such namespaces */
	} ns[ENTER_NS_COUNT];
	uint64_t root_dev, root_ino, root_mount;
};

struct anchor {
	uint32_t pid, reserved; /* 0: none */
	uint64_t start_time;	/* as /proc/PID/stat has it */
};

int anchor_place_of_plan(const struct enter_plan *plan, struct anchor_place *ret_place);
bool anchor_find(const struct anchor_place *place, uint32_t except, struct anchor *ret_anchor);
int anchor_pin(const struct anchor *anchor, const struct anchor_place *place,
	       struct enter_plan *plan);
