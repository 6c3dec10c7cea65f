/* SPDX-License-Identifier: MIT */
/*
 * A confined process that does jobs on the victim's bytes, as the helper sees it.
 *
 * It is started before there is anything to do, so that it is confined by the time that there is;
 * then it is sent its jobs, and the descriptors for them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture-jobs.h"

/* Called now and then while a job is waited for. */
typedef void (*confined_tick_fn)(void *context);

struct confined {
	pid_t pid;  /* 0: there is none */
	int socket; /* jobs go there; a byte comes when one is done, the end when the process ends
		     */
	int status; /* as wait(2) has it, once it ended */
};

int confined_start(const struct capture_shared *shared, struct confined *ret_process);
int confined_send(const struct confined *process, const struct capture_shared *shared,
		  const struct capture_job *job);
int confined_wait(const struct confined *process, const struct capture_report *report,
		  uint64_t deadline_us, confined_tick_fn tick, void *tick_context);
void confined_end(struct confined *process);
uint64_t confined_run_deadline(const struct capture_job *job, uint64_t now_us);
int confined_run(struct confined *process, const struct capture_shared *shared,
		 const struct capture_job *job, confined_tick_fn tick, void *tick_context);
int confined_error(const struct capture_report *report);
uint64_t confined_raw_size(uint64_t reported, uint64_t stored_size);
void confined_digest(const char reported[DIGEST_HEX_SIZE], char hex[DIGEST_HEX_SIZE]);
const char *confined_death(const struct confined *process, char *buf, size_t size);
