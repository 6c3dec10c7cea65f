/* SPDX-License-Identifier: MIT */
/*
 * Lines of /proc/PID/cgroup, and where their hierarchies are mounted.  Pure.
 *
 * The inner parts of a path may be names that a container chose.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define CGROUP_CONTROLLERS_SIZE 256

struct cgroup_line {
	char controllers[CGROUP_CONTROLLERS_SIZE]; /* "": cgroup v2; "name=systemd": without any */
	char path[PATH_MAX];			   /* as our cgroup namespace sees it */
};

struct cgroup_mount {
	char directory[PATH_MAX]; /* where it is mounted */
	char path[PATH_MAX];	  /* below that, relative; "." is itself */
};

int cgroup_next_line(const char **text, struct cgroup_line *ret_line);
bool cgroup_find_line(const char *text, const char *controllers, struct cgroup_line *ret_line);
int cgroup_find_mount(const char *mountinfo, const struct cgroup_line *line,
		      struct cgroup_mount *ret_mount);
bool cgroup_is_service(const struct cgroup_line *line);
