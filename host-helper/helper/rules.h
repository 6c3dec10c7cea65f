/* SPDX-License-Identifier: MIT */
/*
 * Which sections of the configuration count for a crash.
 *
 * The record's strings are the victim's, its engine's, and its image author's; they are matched
 * against the operator's patterns, and never become part of a reason.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "crash.h"

#define RULES_REASON_SIZE 512

struct rules_verdict {
	/* It cannot be told whether a section counts that says so: */
	bool is_off_in_doubt;	       /* that no core is to be taken */
	bool is_push_in_doubt;	       /* something else about the handing over */
	char doubt[RULES_REASON_SIZE]; /* which section, and why; "" where there is none */
	char off[RULES_REASON_SIZE];   /* which section says off; "" if none does */
};

void rules_apply(const struct config *config, const struct crash *crash,
		 struct config *ret_effective, struct rules_verdict *ret_verdict);
bool rules_have_max_per_container(const struct config *config);
uint32_t rules_max_per_container(const void *config, const struct crash *crash);
