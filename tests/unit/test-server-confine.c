// SPDX-License-Identifier: MIT
/*
 * What the server can and cannot do behind its filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../host-helper/server/confine-server.h"
#include "test.h"

static bool is_refused(long result)
{
	return result < 0 && errno == EPERM;
}

static void *in_thread(void *context)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	(void)execv("/bin/true", argv);
	*(bool *)context = errno == EPERM;
	return NULL;
}

/* Each step has its own status, so that a failure tells which. */
static int confined(void)
{
	const struct rlimit limit = { 1, 1 };
	struct rlimit there;
	bool thread_is_bound = false;
	pthread_t thread;
	void *page;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_server() < 0)
		return 1;
	if (!is_refused(socket(AF_INET, SOCK_STREAM, 0)) ||
	    !is_refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 2;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || !is_refused(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)))
		return 3;
	if (!is_refused(connect(fd, NULL, 0)) || !is_refused(bind(fd, NULL, 0)) ||
	    !is_refused(listen(fd, 1)))
		return 4;
	if (!is_refused(fork()) || !is_refused(ptrace(PTRACE_TRACEME, 0, 0, 0)) ||
	    !is_refused(kill(getpid(), 0)) || !is_refused(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)) ||
	    !is_refused(setuid(getuid())) || !is_refused(chdir("/")) || !is_refused(chroot("/")) ||
	    !is_refused(syscall(SYS_unshare, 0)) ||
	    !is_refused(syscall(SYS_mount, 0, 0, 0, 0, 0)) ||
	    !is_refused(syscall(SYS_bpf, 0, 0, 0)) ||
	    !is_refused(syscall(SYS_io_uring_setup, 1, 0)))
		return 5;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || !is_refused(mprotect(page, 4096, PROT_READ | PROT_EXEC)) ||
	    mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		return 6;
	if (getrlimit(RLIMIT_NOFILE, &there) < 0 || !is_refused(setrlimit(RLIMIT_CORE, &limit)))
		return 7;
	if (pthread_create(&thread, NULL, in_thread, &thread_is_bound) != 0 ||
	    pthread_join(thread, NULL) != 0 || !thread_is_bound)
		return 8;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? 9 : 0;
}

static void test_confined(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(confined());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_confined) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
