/* SPDX-License-Identifier: MIT */
/*
 * What an agent or delegate is told: its environment.  docs/PROTOCOL.md is the contract.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "crash.h"

#define HANDOFF_VARIABLES_MAX 64

struct handoff {
	char *environment[HANDOFF_VARIABLES_MAX + 1]; /* NULL-terminated; each its own */
};

struct handoff_request {
	const struct crash *crash;
	const struct config *config;
	const char *environ; /* of the victim, as /proc/PID/environ has it; or NULL */
	size_t environ_len;
	bool is_agent;	    /* our own; else a program of the container */
	bool stored_form;   /* stdin will be the stored file (zstd), else the raw core */
	const char *resume; /* of the agent's attempt before (push_report_is_resume()), or NULL */
	const char *cwd;    /* where the agent is to go by itself, or NULL: it is there */
	bool abandon;	    /* there will be no other attempt: what is half there is to go */
};

int handoff_make(struct handoff *handoff, const struct handoff_request *request);
void handoff_release(struct handoff *handoff);
#define cleanup_handoff __attribute__((cleanup(handoff_release)))
