/* SPDX-License-Identifier: MIT */
/*
 * Which container a process is in, from the text of its /proc/PID/cgroup.  Pure.
 *
 * A container may name the cgroups below its own as it likes: an id is taken only where it is of
 * the engine's exact shape, and the outermost match of the most telling line wins.
 */
#pragma once

#include <stddef.h>

#define CONTAINER_ID_SIZE    65
#define CONTAINER_NAME_MAX   256
#define CONTAINER_PARENT_MAX 1024

struct container {
	char runtime[16];		   /* "docker", "lxc", ..., or "" on the host */
	char id[CONTAINER_ID_SIZE];	   /* 64 hexadecimal digits, or "" */
	char name[CONTAINER_NAME_MAX + 1]; /* where the cgroup tells it (LXC, nspawn), or "" */
	char pod_uid[37];		   /* of Kubernetes, or "" */

	/* The cgroup directory in which the container's own one stands: who can write there can
	   make up such a name.  "" where it is too long to be looked at. */
	char hierarchy[64]; /* "" for cgroup v2, else "memory", "name=systemd", ... */
	char parent[CONTAINER_PARENT_MAX + 1];
};

void container_from_cgroup(const char *text, struct container *ret_container);
