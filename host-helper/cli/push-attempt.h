/* SPDX-License-Identifier: MIT */
/*
 * One attempt of `coreferry push`: the agent, run by hand with a core on its stdin.
 */
#pragma once

#include <stdbool.h>

#include "config.h"
#include "crash.h"
#include "push-report.h"

struct push_attempt {
	const struct crash *crash;
	const struct config *config;
	const char *url;      /* NULL: the agent finds it */
	const char *encoding; /* "zstd", "identity", or NULL: as the agent's settings say */
	const char *resume;   /* what the attempt before left, or NULL */
	bool abandon;	      /* there will be no other: what is half there is to be taken back */
	int core_fd;	      /* the stored file */
};

int push_attempt_run(const struct push_attempt *attempt, struct push_report *ret_report,
		     int *ret_status);
