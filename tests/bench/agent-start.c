// SPDX-License-Identifier: MIT
/*
 * agent-start: how long the agent takes from fork to its first byte on the wire, and what entering
 * adds to it.  As root: PID is a process in namespaces of its own (a container's), which is entered
 * as if it had crashed; its network must reach ADDRESS, where this listens.
 *
 * usage: agent-start AGENT PID ADDRESS [ROUNDS]      prints minima, medians and maxima, in ms
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../host-helper/helper/delegate-child.h"
#include "../../host-helper/helper/victim-plan.h"
#include "../../host-helper/helper/victim.h"
#include "clock.h"
#include "fd.h"
#include "restrain.h"

#define ROUNDS_MAX 1000

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_at(const char *address, char url[64])
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t len = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &name.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&name, len) < 0 || listen(fd, 5) < 0 ||
	    getsockname(fd, (struct sockaddr *)&name, &len) < 0)
		die(address);
	snprintf(url, 64, "COREFERRY_URL=http://%s:%u/", address, ntohs(name.sin_port));
	return fd;
}

/* One agent: the us until its first byte has come. */
static uint64_t start_agent(struct delegate_child *child, int server)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), status;
	char byte;
	uint64_t start = clock_monotonic_us();
	pid_t pid = fork();

	if (pid == 0) {
		(void)setsid();
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		delegate_child_agent(child, null);
		_exit(1);
	}
	int client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0 || read(client, &byte, 1) != 1)
		die("no byte came");
	uint64_t us = clock_monotonic_us() - start;

	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	close(client);
	close(null);
	return us;
}

/* What the agent does to get in, and nothing else: restraint, then entering. */
static uint64_t enter_only(const struct enter_plan *plan, bool restrain)
{
	int fds[2], status;
	uint64_t us = 0;

	if (pipe(fds) < 0)
		die("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		enum enter_step step = ENTER_STEP_PREPARE;
		uint64_t start = clock_monotonic_us();
		int r = restrain ? restrain_process(plan, true, &step) : 0;

		if (!restrain) {
			(void)enter_prepare(plan);
			r = enter_apply(plan, false, &step);
		}
		us = clock_monotonic_us() - start;
		if (r < 0)
			dprintf(STDERR_FILENO, "%s: %s\n", enter_step_name(step), strerror(-r));
		_exit(r < 0 || fd_write_all(fds[1], &us, sizeof(us)) < 0 ? 1 : 0);
	}
	close(fds[1]);
	if (fd_read_fill(fds[0], &us, sizeof(us)) != sizeof(us))
		exit(1);
	close(fds[0]);
	(void)waitpid(pid, &status, 0);
	return us;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *what, uint64_t *us, int count)
{
	int middle = count / 2;

	qsort(us, (size_t)count, sizeof(*us), compare);
	printf("%-24s min %7.3f  median %7.3f  max %7.3f ms of %d\n", what, (double)us[0] / 1000,
	       (double)us[middle] / 1000, (double)us[count - 1] / 1000, count);
}

int main(int argc, char *argv[])
{
	static uint64_t us[3][ROUNDS_MAX];
	int rounds = argc > 4 ? atoi(argv[4]) : 50;
	char url[64], id[] = "CORE_ID=20261121T023753.123456Z-4166-9f3c";
	char encoding[] = "CORE_ENCODING=zstd";
	char *environment[] = { id, url, encoding, NULL };
	struct arguments arguments = { 0 };
	struct victim victim;

	if (argc < 4 || rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	int server = listen_at(argv[3], url);
	arguments.pid = (uint32_t)strtoul(argv[2], NULL, 10);
	victim_init(&victim, -1);
	if (victim_open(&victim, &arguments) < 0)
		die(argv[2]);
	victim_snapshot(&victim, &arguments, false);
	victim_plan_make(&victim);
	if (!victim.has_plan) {
		fprintf(stderr, "%s\n", victim.no_plan ? victim.no_plan : "no plan");
		return 1;
	}
	struct delegate_child child = { .plan = &victim.plan,
					.agent_path = argv[1],
					.environment = environment };
	for (int i = 0; i < rounds; i++) {
		us[0][i] = start_agent(&child, server);
		us[1][i] = enter_only(&victim.plan, true);
		us[2][i] = enter_only(&victim.plan, false);
	}
	report("fork to the first byte", us[0], rounds);
	report("restraint alone", us[1], rounds);
	report("entering alone", us[2], rounds);
	victim_close(&victim);
	return 0;
}
