/* SPDX-License-Identifier: MIT */
/*
 * One attempt to hand the core over to the container.
 */
#pragma once

#include "delegate-run.h"
#include "delegate.h"

struct attempt {
	bool is_agent;	    /* else the program of the core_pattern line */
	const char *resume; /* what the one before left, or NULL */
	bool abandon;	    /* not to deliver it, but to take back what is half there */
	delegate_said_fn said;
	void *said_context;
};

enum attempt_end {
	ATTEMPT_FINAL,	   /* there is no sense in another one; or it is done */
	ATTEMPT_AGAIN,	   /* it says so itself */
	ATTEMPT_TIMED_OUT, /* push_timeout was over */
};

enum attempt_end delegate_attempt(const struct delegation *delegation,
				  const struct attempt *attempt);
void delegate_set_result(struct crash *crash, enum crash_delegation delegation, const char *reason);
bool delegate_nobody_took_it(const struct crash *crash);
void delegate_write_fallback(const struct delegation *delegation);
