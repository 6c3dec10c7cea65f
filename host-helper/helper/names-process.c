// SPDX-License-Identifier: MIT
/*
 * Running coreferry-names: the host's own program, started as root, which gives up everything
 * before it reads its input.  From then on it may be whoever wrote that input: it is ended in time,
 * and what it says is bounded and checked.
 */
#include "names-process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"

#define TICK_MS 50

static int open_program(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return -EPERM;
	return fd_steal(&fd);
}

/* The child's side: 0 is the input, 1 the pipe; all else ends at exec. */
static _Noreturn void become_names(int program, const char *mode, const char *id, int input_fd,
				   int out_fd, pid_t parent)
{
	char parent_text[16], name[] = "coreferry-names";
	char *empty[] = { NULL };

	snprintf(parent_text, sizeof(parent_text), "%d", parent);
	const char *const argv[] = { name, mode, id, parent_text, NULL };
	/* The helper's own 0 is /dev/null. */
	if (dup2(STDIN_FILENO, STDERR_FILENO) >= 0 && dup2(input_fd, STDIN_FILENO) >= 0 &&
	    dup2(out_fd, STDOUT_FILENO) >= 0)
		(void)syscall(SYS_execveat, program, "", argv, empty, AT_EMPTY_PATH);
	_exit(EX_OSERR);
}

/*
 * Starts it.  mode, id: its arguments; input_fd becomes its stdin.  0; -EPERM: the program can be
 * written by others; -errno.
 */
int names_process_start(const char *path, const char *mode, const char *id, int input_fd,
			const struct victim *victim, struct names_process *ret_process)
{
	cleanup_fd int program = open_program(path);
	int fds[2];

	if (program < 0)
		return program;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	cleanup_fd int out_read = fds[0];
	cleanup_fd int out_write = fds[1];
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* Or it is one more by whom the victim is held. */
		if (victim->pipe_fd >= 0)
			close(victim->pipe_fd);
		become_names(program, mode, id, input_fd, out_write, parent);
	}
	*ret_process = (struct names_process){ .pid = pid,
					       .pidfd = pidfd_open(pid, 0),
					       .out_fd = fd_steal(&out_read) };
	return 0;
}

/* 0: all has been read; -ETIME; -EFBIG; -errno. */
static int read_all(int fd, uint64_t deadline_us, struct victim *victim, char *bytes,
		    size_t *ret_len)
{
	size_t len = 0;

	for (;;) {
		uint64_t now = clock_monotonic_us();
		uint64_t left_ms = deadline_us > now ? (deadline_us - now) / 1000 + 1 : 0;
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		int n = poll(&poller, 1, left_ms < TICK_MS ? (int)left_ms : TICK_MS);

		victim_check_hold(victim);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0 && left_ms == 0)
			return -ETIME;
		if (n <= 0)
			continue;
		ssize_t got = read(fd, bytes + len, CONTAINER_FACTS_WIRE_MAX + 1 - len);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		len += got > 0 ? (size_t)got : 0;
		if (len > CONTAINER_FACTS_WIRE_MAX)
			return -EFBIG;
	}
	*ret_len = len;
	return 0;
}

/*
 * Takes what it says, until deadline_us (CLOCK_MONOTONIC), and ends it.  0, and *ret_facts is to be
 * released; -ETIME; -EBADMSG: it did not end well, or said what it may not; -errno.
 */
int names_process_finish(struct names_process *p, uint64_t deadline_us, struct victim *victim,
			 struct container_facts *ret_facts)
{
	cleanup_free char *bytes = malloc(CONTAINER_FACTS_WIRE_MAX + 1);
	size_t len = 0;
	int status = 0;
	int r = bytes ? read_all(p->out_fd, deadline_us, victim, bytes, &len) : -ENOMEM;

	/* It closes the pipe by ending; or it is not the one it was, and gets no more time. */
	struct pollfd ended = { .fd = p->pidfd, .events = POLLIN };
	if (r < 0 || p->pidfd < 0 || poll(&ended, 1, TICK_MS) <= 0)
		(void)kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_close(&p->out_fd);
	fd_close(&p->pidfd);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != EX_OK))
		r = -EBADMSG;
	if (r == 0 && container_facts_read(bytes, len, ret_facts) < 0)
		r = -EBADMSG;
	return r;
}
