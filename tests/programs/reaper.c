// SPDX-License-Identifier: MIT
/*
 * reaper: runs a program and measures how long its parent has to wait for it to be reaped after it
 * crashed. Input: the test's own command line. It must do nothing between the crash and waitpid()
 * that could add to the measured time.
 *
 * usage: reaper [--kill SIGNUM] [--after MS] [--] PROGRAM [ARGS...]
 *   --kill   sends the signal itself, once the program has said that it is ready (crasher --crash
 * none)
 *   --after  sends it so many milliseconds after the start, for programs that do not say so
 * Prints one line, e.g.: pid=4166 signal=11 core=1 exit=- cpu_us=4100 us=5234
 *   us is the time from directly before the crash (as crasher writes it to CRASHER_FD), or from
 * directly before the kill, to the return of waitpid; "-" if the program did not say when. cpu_us
 * is the CPU time that the program, and the kernel on its behalf, used in that time. Exit status: 0
 * if the program ended in whatever way, 2 for wrong usage, 3 if it could not be run or watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_TIMEOUT_MS 120000 /* filling a large heap takes its time */

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

static int number(const char *text, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0 || value > max) {
		fprintf(stderr, "reaper: bad number %s\n", text);
		exit(2);
	}
	return (int)value;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_us(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

static pid_t program_start(char **argv, int read_fd, int write_fd)
{
	char text[16];
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	close(read_fd);
	snprintf(text, sizeof(text), "%d", write_fd);
	if (setenv("CRASHER_FD", text, 1) < 0)
		_exit(127);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

static uint64_t kill_when_ready(pid_t pid, int sig, int after_ms, int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint64_t start;

	if (poll(&ready, 1, after_ms >= 0 ? after_ms : READY_TIMEOUT_MS) < 0)
		fail("poll");
	start = now_ns();
	if (kill(pid, sig) < 0)
		fail("kill");
	return start;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "kill", 1, 0, 'k' },
					       { "after", 1, 0, 'a' },
					       { 0 } };
	int fds[2], status, c, sig = 0, after_ms = -1;
	uint64_t start = 0, end, stamp[2] = { 0 };
	struct rusage usage;
	pid_t pid;

	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		if (c == 'k')
			sig = number(optarg, 64);
		else if (c == 'a')
			after_ms = number(optarg, 3600000);
		else
			return 2;
	}
	if (optind >= argc) {
		fprintf(stderr,
			"usage: reaper [--kill SIGNUM] [--after MS] [--] PROGRAM [ARGS...]\n");
		return 2;
	}
	if (pipe(fds) < 0)
		fail("pipe");
	pid = program_start(argv + optind, fds[0], fds[1]);
	close(fds[1]);
	if (sig)
		start = kill_when_ready(pid, sig, after_ms, fds[0]);
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			fail("wait4");
	end = now_ns();
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) /* an orphan may hold the other end */
		fail("fcntl");
	if (read(fds[0], stamp, sizeof(stamp)) != sizeof(stamp))
		stamp[0] = stamp[1] = 0;
	if (!sig)
		start = stamp[0];
	printf("pid=%d signal=%d core=%d ", pid, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	       WIFSIGNALED(status) && WCOREDUMP(status));
	if (WIFEXITED(status))
		printf("exit=%d ", WEXITSTATUS(status));
	else
		printf("exit=- ");
	if (stamp[1])
		printf("cpu_us=%llu ", (unsigned long long)(cpu_us(&usage) - stamp[1] / 1000));
	else
		printf("cpu_us=- ");
	if (start)
		printf("us=%llu\n", (unsigned long long)(end - start) / 1000);
	else
		printf("us=-\n");
	return 0;
}
