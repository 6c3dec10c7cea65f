// SPDX-License-Identifier: MIT
/*
 * The process that starts the program of --exec: its whole life.
 *
 * It has the server's user and no_new_privs, and no descriptor but its end of a socket, and stderr.
 * What comes over that socket was made by the server, which may be in a peer's hands: it can only
 * ever be the environment of the one program that was named when we were started.
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "limits.h"
#include "log.h"

#define LINE_MAX_BYTES 1024
#define VARIABLES_MAX  32
#define PATH_VARIABLE  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct job {
	pid_t pid;	/* 0: none; it leads its process group */
	int output_fd;	/* -1: it has closed it */
	bool is_ending; /* SIGTERM was sent */
	uint64_t started_ms, until_ms;
	size_t said;
	char id[CRASH_ID_SIZE];
	char line[LINE_MAX_BYTES];
	size_t len;
};

struct runner {
	char *const *argv;
	int fd; /* -1: the server is gone */
	struct job jobs[LIMIT_EXEC_AT_ONCE];
};

/* --- what the program says --- */

static void log_line(struct job *job)
{
	if (job->len > 0)
		log_info("exec %s: %.*s", job->id, (int)job->len, job->line);
	job->len = 0;
}

static void read_output(struct job *job)
{
	char buf[4096];
	ssize_t n = read(job->output_fd, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		fd_close(&job->output_fd);
		return;
	}
	for (ssize_t i = 0; i < n && job->said < LIMIT_EXEC_OUTPUT; i++) {
		job->said++;
		if (buf[i] == '\n' || job->len == sizeof(job->line))
			log_line(job);
		if (buf[i] != '\n')
			job->line[job->len++] = buf[i];
		if (job->said == LIMIT_EXEC_OUTPUT) {
			log_line(job);
			log_warning("exec %s: says more than %u bytes: the rest is dropped",
				    job->id, LIMIT_EXEC_OUTPUT);
		}
	}
}

/* --- the program --- */

__attribute__((noreturn)) static void become(char *const argv[], char *const environment[],
					     int output_fd)
{
	sigset_t none;
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int i = 1; i <= SIGRTMAX; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (setpgid(0, 0) < 0 || null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0)
		_exit(126);
	execve(argv[0], argv, environment);
	dprintf(STDERR_FILENO, "%s cannot be started: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void start(struct runner *runner, struct job *job, char *const environment[], const char *id)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0) {
		log_error("exec %s: cannot be started: %s", id, strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		become(runner->argv, environment, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		log_error("exec %s: cannot be started: %s", id, strerror(errno));
		close(pair[0]);
		return;
	}
	(void)setpgid(pid, pid);
	*job = (struct job){ .pid = pid,
			     .output_fd = pair[0],
			     .started_ms = clock_monotonic_ms(),
			     .until_ms = clock_monotonic_ms() + LIMIT_EXEC_MS };
	strncpy(job->id, id, sizeof(job->id) - 1);
}

/* A message is there: a program is started for it. */
static void take(struct runner *runner, struct job *job)
{
	char message[EXEC_MESSAGE_MAX + 1], path[] = PATH_VARIABLE;
	char *environment[VARIABLES_MAX + 2] = { path };
	const char *id = "?";
	size_t count = 1;
	ssize_t n = recv(runner->fd, message, EXEC_MESSAGE_MAX, 0);

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		fd_close(&runner->fd);
		return;
	}
	message[n] = '\0';
	for (char *at = message; at < message + n && count <= VARIABLES_MAX; at += strlen(at) + 1) {
		if (strncmp(at, "CORE_ID=", 8) == 0 && crash_id_is_valid(at + 8))
			id = at + 8;
		/* Nothing else: LD_PRELOAD is not the server's to set. */
		if (strncmp(at, "CORE_", 5) == 0)
			environment[count++] = at;
	}
	start(runner, job, environment, id);
}

/* --- its end --- */

static void end_late(struct job *job, uint64_t now_ms)
{
	if (now_ms < job->until_ms)
		return;
	if (!job->is_ending)
		log_warning("exec %s: still runs after %u s: it is ended", job->id,
			    LIMIT_EXEC_MS / 1000);
	(void)kill(-job->pid, job->is_ending ? SIGKILL : SIGTERM);
	job->is_ending = true;
	job->until_ms = now_ms + LIMIT_EXEC_END_MS;
}

/* True if it has ended; what it left in its process group ends with it. */
static bool reap(struct job *job)
{
	int status;

	if (waitpid(job->pid, &status, WNOHANG) != job->pid)
		return false;
	(void)kill(-job->pid, SIGKILL);
	if (job->output_fd >= 0) {
		(void)fcntl(job->output_fd, F_SETFL, O_NONBLOCK);
		for (int i = 0; i < 64 && job->output_fd >= 0; i++)
			read_output(job);
	}
	log_line(job);
	fd_close(&job->output_fd);
	uint64_t ms = clock_monotonic_ms() - job->started_ms;
	if (WIFSIGNALED(status))
		log_warning("exec %s: ended by signal %d after %llu ms", job->id, WTERMSIG(status),
			    (unsigned long long)ms);
	else if (WEXITSTATUS(status) != 0)
		log_warning("exec %s: ended with status %d after %llu ms", job->id,
			    WEXITSTATUS(status), (unsigned long long)ms);
	else
		log_info("exec %s: done after %llu ms", job->id, (unsigned long long)ms);
	job->pid = 0;
	return true;
}

/* One turn of the loop; false: there is nothing left to do. */
static bool turn(struct runner *runner)
{
	struct pollfd fds[LIMIT_EXEC_AT_ONCE + 1];
	struct job *idle = NULL;
	bool is_busy = false;

	for (size_t i = 0; i < LIMIT_EXEC_AT_ONCE; i++) {
		struct job *job = &runner->jobs[i];

		fds[i] = (struct pollfd){ .fd = job->pid ? job->output_fd : -1, .events = POLLIN };
		if (job->pid)
			is_busy = true;
		else
			idle = job;
	}
	if (runner->fd < 0 && !is_busy)
		return false;
	/* Whoever has no place waits in the socket. */
	fds[LIMIT_EXEC_AT_ONCE] = (struct pollfd){ .fd = idle ? runner->fd : -1, .events = POLLIN };
	if (poll(fds, LIMIT_EXEC_AT_ONCE + 1, is_busy ? 100 : -1) < 0 && errno != EINTR)
		return false;
	for (size_t i = 0; i < LIMIT_EXEC_AT_ONCE; i++) {
		struct job *job = &runner->jobs[i];

		if (job->pid && fds[i].revents)
			read_output(job);
		if (job->pid && !reap(job))
			end_late(job, clock_monotonic_ms());
	}
	if (idle && fds[LIMIT_EXEC_AT_ONCE].revents)
		take(runner, idle);
	return true;
}

/* Starts argv for each message, until the other end of the socket is closed. */
void exec_run(int fd, char *const argv[])
{
	struct runner runner = { .argv = argv, .fd = fd };

	/* The port and the directory stay the server's: whoever starts it anew must get them. */
	if (dup2(fd, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, ~0U, 0) < 0 ||
	    fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC) < 0)
		return;
	runner.fd = STDERR_FILENO + 1;
	/* What ends the server ends us, when all is done. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)prctl(PR_SET_NAME, "coreferryd-exec");
	while (turn(&runner))
		;
}
