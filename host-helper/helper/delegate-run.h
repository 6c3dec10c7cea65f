/* SPDX-License-Identifier: MIT */
/*
 * Running one agent or delegate: feeds it the core, takes what it says, and ends it in time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "enter.h"
#include "victim.h"

#define DELEGATE_OUTPUT_MAX (64U << 10)

typedef ssize_t (*delegate_source_fn)(void *context, void *buf, size_t len, uint64_t offset);

/* Gets what the child writes to stdout, in parts as they come. */
typedef void (*delegate_said_fn)(void *context, const char *bytes, size_t len);

/* Runs in the child, with the core on 0, the record's pipes on 1 and 2; never returns. */
typedef void (*delegate_child_fn)(void *context, int report_fd);

struct delegate_run {
	delegate_child_fn child;
	void *child_context;
	int stdin_fd;		   /* the core, and then delegate_run()'s; or 0, and: */
	delegate_source_fn source; /* the core; what it reads is written to stdin */
	void *source_context;
	delegate_said_fn said; /* NULL: stdout is output, as stderr is */
	void *said_context;
	uint64_t timeout_ms;
	int end_signal; /* on which the child ends all that it has started; 0: SIGKILL will do */
	struct victim *victim; /* let go in between, if it is held and its time is over */
};

struct delegate_result {
	bool started; /* its program runs, or ran */
	bool timed_out;
	bool hold_is_over;    /* timed_out: its container has ended with the victim */
	bool not_ended;	      /* not even by SIGKILL: status is not known */
	enum enter_step step; /* !started: what failed */
	int error;	      /* !started: -errno, or 0: it ended before it was started */
	int status;	      /* as wait(2) has it */
	char *output;	      /* at most DELEGATE_OUTPUT_MAX bytes and NUL, or NULL */
};

int delegate_run(const struct delegate_run *run, struct delegate_result *ret_result);
void delegate_report(int report_fd, enum enter_step step, int error);
