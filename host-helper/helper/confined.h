/* SPDX-License-Identifier: MIT */
/*
 * A confined process that does one job on the victim's bytes, as the helper sees it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture-jobs.h"

/* Called now and then while a job is waited for. */
typedef void (*confined_tick_fn)(void *context);

struct confined {
	pid_t pid;
	int done_fd; /* a byte comes when the job is done; its end, when the process is */
	int status;  /* as wait(2) has it, once it ended */
};

int confined_start(struct capture_job *job, struct confined *ret_process);
int confined_wait(struct confined *process, const struct capture_report *report,
		  uint64_t deadline_us, confined_tick_fn tick, void *tick_context);
void confined_end(struct confined *process);
int confined_run(struct capture_job *job, confined_tick_fn tick, void *tick_context);
const char *confined_death(const struct confined *process, char *buf, size_t size);
