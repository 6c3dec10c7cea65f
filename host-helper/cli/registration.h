/* SPDX-License-Identifier: MIT */
/*
 * Registering with the kernel, and putting back exactly what was there.
 *
 * The settings may have been changed by anyone who is root, before, in between and after.
 */
#pragma once

#include <stdbool.h>

#include "registration-line.h"
#include "registration-state.h"

enum registration_situation {
	REGISTRATION_NONE, /* nothing is remembered, and the pattern is not a coreferry-helper's */
	REGISTRATION_FORGOTTEN, /* nothing is remembered, but it is a coreferry-helper's */
	REGISTRATION_IN_FORCE,	/* the pattern is what we wrote */
	REGISTRATION_UNDONE,	/* it is what was there before us: somebody put that back */
	REGISTRATION_CHANGED,	/* it is a third thing, in the boot in which we registered */
	REGISTRATION_LOST,	/* it is not ours, and there was a reboot in between */
};

struct registration_view {
	enum registration_situation situation;
	bool remembered; /* `state` holds something */
	bool damaged;	 /* there is a registration.json, but it cannot be understood */
	bool rebooted;	 /* what is remembered is of an older boot */
	struct registration_state state; /* as remembered */
	struct kernel_settings now;
	char boot_id[KERNEL_BOOT_ID_SIZE];
};

struct registration_request {
	const char *line;	   /* registration_line_build() made it */
	const char *pipe_limit;	   /* a number */
	const char *suid_dumpable; /* a number, or NULL: left alone */
	bool force;
};

int registration_look(const struct kernel_access *access, int dirfd,
		      struct registration_view *ret_view);
int registration_register(const struct kernel_access *access, int dirfd,
			  const struct registration_request *request);
int registration_unregister(const struct kernel_access *access, int dirfd, bool force);
