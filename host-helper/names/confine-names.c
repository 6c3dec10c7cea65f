// SPDX-License-Identifier: MIT
/*
 * What coreferry-names can no longer do when it reads its first byte: almost anything.  It has its
 * input, a pipe for what it found, and calls that work on those.
 *
 * A call that opens, connects, starts or signals is not on the list: it ends the process.
 */
#include "confine-names.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drop.h"

/* What libcurl does with a socket that it was given, and jansson, and malloc(3). */
static const int allowed[] = {
	SCMP_SYS(read),		 SCMP_SYS(write),
	SCMP_SYS(recvfrom),	 SCMP_SYS(sendto),
	SCMP_SYS(poll),		 SCMP_SYS(ppoll),
	SCMP_SYS(close),	 SCMP_SYS(shutdown),
	SCMP_SYS(fcntl),	 SCMP_SYS(fstat),
	SCMP_SYS(lseek),	 SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),	 SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),	 SCMP_SYS(pipe2),
	SCMP_SYS(eventfd2),	 SCMP_SYS(brk),
	SCMP_SYS(munmap),	 SCMP_SYS(mremap),
	SCMP_SYS(madvise),	 SCMP_SYS(futex),
	SCMP_SYS(rt_sigaction),	 SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),	 SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(getrandom),	 SCMP_SYS(getpid),
	SCMP_SYS(gettid),	 SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* What libcurl tries and does without: whether there is IPv6, a resolver's or a locale's file. */
static const int refused[] = {
	SCMP_SYS(socket),
	SCMP_SYS(openat),
	SCMP_SYS(newfstatat),
};

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	if (r == 0) /* no memory from which code could run */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* libcurl 7.88 connects a socket of which it was told that it is connected.  It is told
	   that this went well; nothing is done. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(connect), 0);
	if (r == 0) /* a pair leads to nobody else */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, FIONBIO));
	return r;
}

/*
 * Gives up everything, for the rest of the process's life: user, groups, capabilities, the root
 * directory, all descriptors but 0 to 2, and what is not on the list.  It ends with `parent`.  0 or
 * -errno, and then the caller ends.
 */
int confine_names(pid_t parent)
{
	int r = close_range(STDERR_FILENO + 1, ~0U, 0) < 0 ? -errno : drop_all(parent);
	scmp_filter_ctx filter = r == 0 ? seccomp_init(SCMP_ACT_KILL_PROCESS) : NULL;

	if (r == 0)
		r = filter ? add_rules(filter) : -ENOMEM;
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
