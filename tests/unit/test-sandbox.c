// SPDX-License-Identifier: MIT
/* host-helper/helper/sandbox.c: what the confined process can still do, and what ends it. */
#include "../../host-helper/helper/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Each runs in a sandbox that was given one descriptor; 0: as it should be. */
typedef int (*probe_fn)(int fd);

static int run_probe(probe_fn probe)
{
	int status, fd = memfd_create("test", MFD_CLOEXEC);
	pid_t self = getpid(), pid = fork();

	assert_true(fd >= 0 && pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&fd, self) < 0)
			_exit(99);
		_exit(probe(fd));
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void *fill_memory(void *context)
{
	char *block = malloc(8U << 20);

	if (!block)
		return NULL;
	memset(block, 7, 8U << 20);
	*(char *)context = block[4711];
	free(block);
	return context;
}

static int work(int fd)
{
	char seen[2] = { 0, 0 }, text[6];
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, fill_memory, &seen[i]) != 0)
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	if (seen[0] != 7 || seen[1] != 7 || pwrite(fd, "hello", 5, 100) != 5 ||
	    pread(fd, text, 5, 100) != 5 || memcmp(text, "hello", 5) != 0)
		return 2;
	return ftruncate(fd, 10) == 0 && lseek(fd, 0, SEEK_END) == 10 ? 0 : 3;
}

/* The only other descriptors are the standard ones. */
static int has_nothing_else(int fd)
{
	for (int i = 3; i < 1024; i++)
		if (i != fd && lseek(i, 0, SEEK_CUR) >= 0)
			return 1;
	return 0;
}

static int cannot_open(int fd)
{
	(void)fd;
	return open("/dev/null", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

/* A filter sees no paths: what newfstatat(2) is there for is fstat(3). */
static int has_no_names(int fd)
{
	static const char *const names[] = { "/etc/passwd", "etc/passwd", "../etc/passwd",
					     "/proc/1/stat" };
	struct stat st;

	if (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) < 0)
		return 99;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (syscall(SYS_newfstatat, AT_FDCWD, names[i], &st, AT_EMPTY_PATH) == 0)
			return (int)i + 1;
	return 0;
}

/* By hand, as any user. */
static void test_other_user(void **state)
{
	static const probe_fn probes[] = { work, has_nothing_else, cannot_open };
	int status;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (geteuid() == 0 &&
			    (setgroups(0, NULL) < 0 || setgid(1000) < 0 || setuid(1000) < 0))
				_exit(98);
			status = run_probe(probes[i]);
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 97);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_allowed(void **state)
{
	static const probe_fn probes[] = { work, has_nothing_else, cannot_open, has_no_names };

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		assert_int_equal(run_probe(probes[i]), 0);
}

static int call_socket(int fd)
{
	(void)fd;
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static int call_exec(int fd)
{
	(void)fd;
	return execl("/bin/true", "true", NULL);
}

static int call_kill(int fd)
{
	(void)fd;
	return kill(1, 0);
}

static int call_fork(int fd)
{
	(void)fd;
	return (int)syscall(SYS_fork);
}

static int call_clone_process(int fd)
{
	(void)fd;
	return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static int call_executable_memory(int fd)
{
	(void)fd;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int call_open_by_number(int fd)
{
	(void)fd;
	return (int)syscall(SYS_open, "/etc/passwd", O_RDONLY);
}

static int call_stat_path(int fd)
{
	(void)fd;
	return access("/etc/passwd", R_OK);
}

static int call_ptrace(int fd)
{
	(void)fd;
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int call_setuid(int fd)
{
	(void)fd;
	return setuid(0);
}

static void test_killed(void **state)
{
	static const probe_fn probes[] = { call_socket,		call_exec,
					   call_kill,		call_fork,
					   call_clone_process,	call_executable_memory,
					   call_open_by_number, call_stat_path,
					   call_ptrace,		call_setuid };

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		int status = run_probe(probes[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("probe %zu: status %#x", i, (unsigned)status);
	}
}

static void test_parent(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (geteuid() != 0)
		skip();
	if (pid == 0) /* the parent that it is told of is not its own: it came too late */
	{
		int fd = memfd_create("test", MFD_CLOEXEC);

		_exit(sandbox_enter(&fd, getpid()) == -ESRCH ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
