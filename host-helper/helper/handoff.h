/* SPDX-License-Identifier: MIT */
/*
 * What an agent or delegate is told: its environment.  docs/PROTOCOL.md is the contract.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "crash.h"
#include "victim.h"

#define HANDOFF_VARIABLES_MAX 40

struct handoff {
	char *environment[HANDOFF_VARIABLES_MAX + 1]; /* NULL-terminated; each its own */
};

int handoff_make(struct handoff *handoff, const struct crash *crash, const struct victim *victim,
		 const struct config *config, bool stored_form);
void handoff_release(struct handoff *handoff);
#define cleanup_handoff __attribute__((cleanup(handoff_release)))
