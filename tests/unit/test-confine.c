// SPDX-License-Identifier: MIT
/* container-agent/confine.c: what the agent can still do, what fails, and what ends it. */
#include "../../container-agent/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Each runs confined; 0: as it should be, else which part was not. */
typedef int (*probe_fn)(void);

static int run_probe(probe_fn probe)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine() < 0)
			_exit(99);
		_exit(probe());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void *look_up(void *context)
{
	struct addrinfo *list = NULL, hints = { .ai_socktype = SOCK_STREAM };

	if (getaddrinfo("localhost", "80", &hints, &list) != 0)
		return NULL;
	freeaddrinfo(list);
	return context;
}

static int work(void)
{
	pthread_t thread;
	void *result = NULL;
	struct stat st;

	if (pthread_create(&thread, NULL, look_up, &st) != 0 ||
	    pthread_join(thread, &result) != 0 || result != &st)
		return 1;
	for (int family = 0; family < 2; family++)
		if (socket(family ? AF_INET6 : AF_INET, SOCK_STREAM, 0) < 0 &&
		    errno != EAFNOSUPPORT)
			return 2;
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 100) < 0 ||
	    lseek(fd, 0, SEEK_END) != 100 || fstat(fd, &st) < 0 || stat("/tmp", &st) < 0)
		return 3;
	char *block = malloc(8U << 20);
	if (!block)
		return 4;
	/* A core file gets its name: none of these is there, and that is what they say. */
	if (linkat(AT_FDCWD, "/nowhere/a", AT_FDCWD, "/nowhere/b", 0) == 0 || errno != ENOENT ||
	    renameat(AT_FDCWD, "/nowhere/a", AT_FDCWD, "/nowhere/b") == 0 || errno != ENOENT ||
	    renameat2(AT_FDCWD, "/nowhere/a", AT_FDCWD, "/nowhere/b", RENAME_NOREPLACE) == 0 ||
	    errno != ENOENT || unlinkat(AT_FDCWD, "/nowhere/a", 0) == 0 || errno != ENOENT)
		return 5;
	return 0;
}

static bool is_refused(long result)
{
	return result == -1 && errno == EPERM;
}

static int refused(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || !is_refused(mprotect(page, 4096, PROT_READ | PROT_EXEC)) ||
	    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		    MAP_FAILED ||
	    !is_refused(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1)))
		return 1;
	struct rlimit limit = { 1, 1 };
	if (!is_refused(setrlimit(RLIMIT_NOFILE, &limit)) ||
	    !is_refused(setpriority(PRIO_PROCESS, 0, 0)) ||
	    !is_refused(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, &limit)) ||
	    !is_refused(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)))
		return 2;
	if (!is_refused(socket(AF_PACKET, SOCK_RAW, 0)) || !is_refused(socket(AF_VSOCK, 1, 0)))
		return 3;
	if (!is_refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) ||
	    !is_refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)))
		return 4;
	if (!is_refused(syscall(SYS_memfd_create, "x", 0)) || !is_refused(mkdir("/nowhere", 0)) ||
	    !is_refused(chmod("/nowhere", 0)))
		return 5;
	return is_refused(syscall(999)) ? 0 : 6; /* what is not known yet */
}

static int start_program(void)
{
	execl("/bin/true", "true", NULL);
	return 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0);
}

static int trace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int read_memory(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0);
}

static int leave_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int enter_namespace(void)
{
	return setns(-1, 0);
}

#ifdef __x86_64__
/* Numbers of another architecture are no way around. */
static int call_in_32_bits(void)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(20L), "b"(0L), "c"(0L), "d"(0L)
			 : "memory", "r8", "r9", "r10", "r11");
	return 0;
}
#endif

static void test_allowed(void **state)
{
	int status = run_probe(work);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_refused(void **state)
{
	int status = run_probe(refused);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_killed(void **state)
{
	static const probe_fn probes[] = { start_program,  signal_parent,   trace,
					   read_memory,	   leave_namespace, enter_namespace,
#ifdef __x86_64__
					   call_in_32_bits
#endif
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		int status = run_probe(probes[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
