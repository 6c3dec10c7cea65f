/* SPDX-License-Identifier: MIT */
/*
 * The crashed process: who it is, what it may, and a hold on it.
 *
 * Everything is read while the kernel keeps it (as long as the pipe is open), through one
 * descriptor of its /proc directory, and the pidfd is asked after each read whether it is still the
 * same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arguments.h"
#include "enter.h"
#include "proc.h"

/* What is read of /proc at the crash and kept beside the core. */
enum victim_file {
	VICTIM_MAPS,
	VICTIM_ENVIRON,
	VICTIM_LIMITS,
	VICTIM_CGROUP,
	VICTIM_MOUNTINFO,
	VICTIM_STATUS,
	VICTIM_CMDLINE,
	VICTIM_COMM,
	VICTIM_FILE_COUNT,
};

struct victim_text {
	char *data; /* NUL-terminated; NULL: could not be read */
	size_t len;
};

struct victim {
	int pipe_fd; /* the kernel's pipe: as long as it is open, the victim is held */
	uint64_t start_us, held_us; /* CLOCK_MONOTONIC; held_us is 0 until the release */
	uint64_t hold_until_us;	    /* when it is released at the latest; 0: that is not set */
	int pidfd;
	int procfd; /* /proc/TGID/task/TID */
	bool has_status;
	struct proc_status status;
	struct victim_text files[VICTIM_FILE_COUNT];
	char *exe, *cwd;
	bool is_dumping; /* the kernel says so: it is the process that we were started for */
	bool is_init;	 /* the init of a pid namespace: its container dies with it */

	/* Why the core is for the host's root alone, or NULL. */
	const char *root_only;
	bool has_plan; /* the plan is complete: a delegation is possible */
	char *no_plan; /* else: why not, or NULL */
	char *note;    /* what of its bounds a delegate will not have, and why; or NULL */
	struct enter_plan plan;
};

void victim_init(struct victim *victim, int pipe_fd);
void victim_close(struct victim *victim);
int victim_open(struct victim *victim, const struct arguments *arguments);
void victim_snapshot(struct victim *victim, const struct arguments *arguments, bool with_plan);
int victim_check_alive(const struct victim *victim);
void victim_release(struct victim *victim);
bool victim_has_ended(const struct victim *victim, uint64_t deadline_us);
void victim_end_by(struct victim *victim, uint64_t deadline_us);
void victim_hold(struct victim *victim, uint64_t max_ms);
void victim_check_hold(struct victim *victim);
