/* SPDX-License-Identifier: MIT */
/*
 * The helper's arguments, as the kernel writes them.  Pure.
 *
 * Numbers are the kernel's; the host name is the victim's, and so is whatever of the delegate's
 * arguments came from % signs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARGUMENTS_ERROR_SIZE 256

enum arguments_action { ARGUMENTS_CRASH, ARGUMENTS_HOUSE, ARGUMENTS_HELP, ARGUMENTS_VERSION };

struct arguments {
	enum arguments_action action;
	uint32_t pid, uid, gid;
	/* Options: each may be missing. */
	bool has_signal, has_time, has_rlimit, has_dump_mode, has_tid, has_pidfd;
	uint32_t signal, dump_mode, tid;
	uint64_t time_s, rlimit_core;
	int pidfd;
	bool verify;
	bool pipe_only;		 /* the memory is not read directly */
	const char *hostname;	 /* or NULL */
	const char *config_file; /* or NULL */
	char *const *delegate;	 /* what stands behind the numbers, NULL-terminated; may be empty */
};

int arguments_parse(int argc, char *const argv[], struct arguments *ret_arguments,
		    char error[ARGUMENTS_ERROR_SIZE]);
