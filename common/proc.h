/* SPDX-License-Identifier: MIT */
/*
 * What /proc/PID/status, limits, stat and environ say, taken apart.  Pure.
 *
 * The kernel writes the first three, with the victim's name in some; the last is the victim's
 * memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enter.h"

struct proc_status {
	uint32_t tgid, pid;
	uint32_t innermost_pid;	 /* the process's pid in its own pid namespace */
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	bool too_many_groups;	 /* more than ENTER_GROUPS_MAX: none of them counts then */
	uint32_t group_count;
	uint32_t groups[ENTER_GROUPS_MAX];
	uint64_t caps[ENTER_CAP_COUNT];
	uint64_t resident_kib, swapped_kib;
	uint32_t seccomp_mode; /* SECCOMP_MODE_*; 0: none */
	bool core_dumping;
	bool core_dumping_known; /* Linux 4.15 */
};

struct proc_stat {
	int32_t nice;	     /* -20 to 19 */
	uint32_t scheduler;  /* SCHED_* */
	uint64_t start_time; /* clock ticks since the machine was started */
};

int proc_status_parse(const char *text, struct proc_status *ret_status);
int proc_limits_parse(const char *text, struct enter_limit ret_limits[ENTER_LIMIT_COUNT]);
int proc_stat_parse(const char *text, struct proc_stat *ret_stat);
const char *proc_environ_get(const char *data, size_t len, const char *name);
bool proc_auxv_is_secure(const void *data, size_t len);
