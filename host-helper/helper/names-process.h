/* SPDX-License-Identifier: MIT */
/*
 * Running coreferry-names, which reads what the helper does not.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "container-facts.h"
#include "victim.h"

struct names_process {
	pid_t pid;
	int pidfd;
	int out_fd;
};

int names_process_start(const char *path, const char *mode, const char *id, int input_fd,
			const struct victim *victim, struct names_process *ret_process);
int names_process_finish(struct names_process *process, uint64_t deadline_us, struct victim *victim,
			 struct container_facts *ret_facts);
