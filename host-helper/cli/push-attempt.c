// SPDX-License-Identifier: MIT
/*
 * One attempt of `coreferry push`: the agent, run by hand with a core on its stdin.
 *
 * It runs with the rights of who called us, in the caller's environment: of the crash it is told by
 * CORE_*, as in a container.  Those values are the victim's; names of ours that stand in the
 * caller's environment do not count.
 */
#include "push-attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "fd.h"
#include "handoff.h"
#include "log.h"

/* Of the caller's environment and ours; the array is to be freed, the strings are not. */
static char **merge_environment(const struct handoff *handoff, char *encoding)
{
	size_t count = 0, n = 0;

	while (environ[count])
		count++;
	char **merged = calloc(count + HANDOFF_VARIABLES_MAX + 2, sizeof(char *));
	if (!merged)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "CORE_", 5) != 0 &&
		    (!encoding || strncmp(environ[i], "COREFERRY_ENCODING=", 19) != 0))
			merged[n++] = environ[i];
	for (size_t i = 0; handoff->environment[i]; i++)
		if (strncmp(handoff->environment[i], "PATH=", 5) != 0)
			merged[n++] = handoff->environment[i];
	if (encoding)
		merged[n] = encoding;
	return merged;
}

static _Noreturn void become_agent(const struct push_attempt *a, int said_fd, char **environment)
{
	char name[] = "coreferry-agent", option[] = "--url";
	char *argv[] = { name, a->url ? option : NULL, (char *)(uintptr_t)a->url, NULL };

	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0 && dup2(a->core_fd, STDIN_FILENO) >= 0 &&
	    dup2(said_fd, STDOUT_FILENO) >= 0)
		execve(a->config->agent, argv, environment);
	log_error("%s: %s; `agent` in the configuration names the agent", a->config->agent,
		  strerror(errno));
	_exit(EX_UNAVAILABLE);
}

static void listen_to(int fd, struct push_report *report)
{
	struct push_report_lines lines = { .len = 0 };
	char bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			(void)push_report_take(&lines, bytes, (size_t)n, report);
}

static int run_agent(const struct push_attempt *a, char **environment, struct push_report *report,
		     int *ret_status)
{
	int fds[2], status;

	if (lseek(a->core_fd, 0, SEEK_SET) < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		become_agent(a, fds[1], environment);
	int r = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (r == 0)
		listen_to(fds[0], report);
	close(fds[0]);
	while (r == 0 && waitpid(pid, &status, 0) < 0)
		r = errno == EINTR ? 0 : -errno;
	if (r == 0)
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return r;
}

/*
 * Runs the agent once, and waits for its end.  0: *ret_report (zeros at first) is its last report,
 * *ret_status its exit status, or 128 and the signal that ended it; -errno: it could not be run.
 */
int push_attempt_run(const struct push_attempt *a, struct push_report *ret_report, int *ret_status)
{
	cleanup_handoff struct handoff handoff = { { NULL } };
	cleanup_free char *encoding = NULL;
	cleanup_free char **environment = NULL;
	const struct handoff_request request = { .crash = a->crash,
						 .config = a->config,
						 .is_agent = true,
						 .stored_form = strcmp(a->crash->core_file,
								       CRASH_CORE_ZST_NAME) == 0,
						 .resume = a->resume,
						 .abandon = a->abandon };
	int r = handoff_make(&handoff, &request);

	if (r == 0 && a->encoding &&
	    asprintf(&encoding, "COREFERRY_ENCODING=%s", a->encoding) < 0) {
		encoding = NULL;
		r = -ENOMEM;
	}
	if (r < 0)
		return r;
	environment = merge_environment(&handoff, encoding);
	return environment ? run_agent(a, environment, ret_report, ret_status) : -ENOMEM;
}
