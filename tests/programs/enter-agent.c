// SPDX-License-Identifier: MIT
/*
 * enter-agent: starts the agent as coreferry-helper does, entering and confined, but without a
 * crash: for a process that just stands there.  As root.
 *
 * usage: enter-agent AGENT PID [VARIABLE=VALUE]... < CORE      the agent's exit status
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../host-helper/helper/delegate-child.h"
#include "../../host-helper/helper/victim-plan.h"
#include "../../host-helper/helper/victim.h"

int main(int argc, char *argv[])
{
	struct arguments arguments = { 0 };
	struct victim victim;
	int status = 0;

	if (argc < 3)
		return 2;
	arguments.pid = (uint32_t)strtoul(argv[2], NULL, 10);
	victim_init(&victim, -1);
	if (victim_open(&victim, &arguments) < 0) {
		perror(argv[2]);
		return 1;
	}
	victim_snapshot(&victim, &arguments, false);
	victim_plan_make(&victim);
	if (!victim.has_plan) {
		fprintf(stderr, "%s\n", victim.no_plan ? victim.no_plan : "no plan");
		return 1;
	}
	struct delegate_child child = { .plan = &victim.plan,
					.agent_path = argv[1],
					.environment = argv + 3 };
	pid_t pid = fork();
	if (pid == 0) {
		(void)setsid();
		delegate_child_agent(&child, STDERR_FILENO);
		_exit(1);
	}
	(void)waitpid(pid, &status, 0);
	victim_close(&victim);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
