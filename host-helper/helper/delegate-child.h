/* SPDX-License-Identifier: MIT */
/*
 * The child's side of a delegation: what becomes the agent, the container's program, or the writer
 * of a file.  Each is a delegate_child_fn: it has the core on 0 and the record's pipes on 1 and 2.
 */
#pragma once

#include <signal.h>

#include "enter.h"

struct delegate_child {
	const struct enter_plan *plan;
	const char *agent_path;
	char *const *arguments;	  /* of a program: its path first */
	char *const *environment; /* of an agent or a program */
	const char *fallback_path;
};

/* For us alone: how delegate_child_program() starts our own copy. */
#define DELEGATE_CHILD_OPTION "--delegate"
/* Ends a program with all that it started, once it is started; ends the child before. */
#define DELEGATE_CHILD_END_SIGNAL SIGUSR1

int delegate_child_main(int argc, char *argv[]);
void delegate_child_agent(void *context, int report_fd);
void delegate_child_program(void *context, int report_fd);
void delegate_child_fallback(void *context, int report_fd);
