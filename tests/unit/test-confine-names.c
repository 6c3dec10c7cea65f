// SPDX-License-Identifier: MIT
/* host-helper/names/confine-names.c: what is left to whoever takes coreferry-names over. */
#include "../../host-helper/names/confine-names.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Each runs confined; 0: as it should be. */
typedef int (*probe_fn)(void);

static int run_probe(probe_fn probe)
{
	int status;
	pid_t self = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (confine_names(self) < 0)
			_exit(99);
		_exit(probe());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int opens_nothing(void)
{
	return open("/", O_RDONLY) >= 0 || errno != EACCES ||
	       socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EACCES;
}

static int has_nothing_else(void)
{
	for (int i = 3; i < 1024; i++)
		if (fcntl(i, F_GETFD) >= 0)
			return 1;
	return 0;
}

/* It is told that it is connected, and is not. */
static int connects_nowhere(void)
{
	int pair[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || connect(pair[0], NULL, 0) != 0;
}

static int has_no_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED || mprotect(page, 4096, PROT_READ) < 0;
}

static void test_allowed(void **state)
{
	static const probe_fn probes[] = { opens_nothing, has_nothing_else, connects_nowhere,
					   has_no_code };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		assert_int_equal(run_probe(probes[i]), 0);
}

static int call_exec(void)
{
	return execl("/bin/true", "true", NULL);
}

static int call_kill(void)
{
	return kill(getppid(), 0);
}

static int call_fork(void)
{
	return fork() == 0;
}

static int call_send_descriptor(void)
{
	const struct msghdr message = { 0 };

	return sendmsg(1, &message, 0) < 0;
}

static int call_take_descriptor(void)
{
	struct msghdr message = { 0 };

	return recvmsg(0, &message, 0) < 0;
}

static int call_setuid(void)
{
	return setuid(0);
}

static int call_mmap_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int call_ptrace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void test_killed(void **state)
{
	static const probe_fn probes[] = {
		call_exec,
		call_kill,
		call_fork,
		call_send_descriptor,
		call_take_descriptor,
		call_setuid,
		call_mmap_code,
		call_ptrace,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		int status = run_probe(probes[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

/* What the kernel says of it. */
static void test_user(void **state)
{
	int status, pipe_fds[2];
	pid_t self = getpid(), pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char byte;

		/* 0 is kept. */
		if (dup2(pipe_fds[0], 0) < 0 || confine_names(self) < 0)
			_exit(99);
		_exit(write(1, "", 0) < 0 || read(0, &byte, 1) != 1);
	}
	char path[64], root[64];
	snprintf(root, sizeof(root), "/proc/%d/root/etc", pid);
	/* Its root directory is an empty one by then. */
	for (int i = 0; i < 5000 && access(root, F_OK) == 0; i++)
		usleep(1000);
	assert_int_not_equal(access(root, F_OK), 0);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	char line[256];
	bool is_dropped = false, no_caps = false;

	assert_non_null(f);
	for (int i = 0; i < 5000 && !(is_dropped && no_caps); i++) {
		rewind(f);
		while (fgets(line, sizeof(line), f)) {
			is_dropped =
				is_dropped || (strncmp(line, "Uid:\t", 5) == 0 &&
					       !strstr(line, "\t0\t") && !strstr(line, "\t0\n"));
			no_caps = no_caps || strcmp(line, "CapPrm:\t0000000000000000\n") == 0;
		}
		usleep(1000);
	}
	fclose(f);
	assert_true(is_dropped && no_caps);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
