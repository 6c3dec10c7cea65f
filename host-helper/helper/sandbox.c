// SPDX-License-Identifier: MIT
/*
 * The confined process in which the victim's bytes are handled: whoever takes it over by them has
 * the files that it is given, and nothing else.  No capability, no other descriptor, no name of
 * anything: the filter lets no call through that opens, connects, signals or starts a program.
 *
 * A call that is not on the list ends the process (SIGSYS): the helper sees that, writes it down,
 * and takes the core another way.
 */
#include "sandbox.h"

#include <asm-generic/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drop.h"
#include "memory-scan.h"

/* What reading, compressing, hashing and writing need, with threads and malloc(3). */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(write),
	SCMP_SYS(recvmsg), /* descriptors of its jobs; nothing that could connect to anyone */
	SCMP_SYS(lseek),
	SCMP_SYS(ftruncate),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll), /* poll(3) where there is no other */
	SCMP_SYS(fstat), /* fstat(3) of glibc 2.39 */
	SCMP_SYS(close),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction), /* pthread_create(3), once */
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(clock_gettime), /* the vdso falls back to it */
	SCMP_SYS(getrandom),
	SCMP_SYS(gettid),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0) /* no memory from which code could run */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0) /* threads, not processes; the flags of clone3 are out of a filter's sight */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM,
					     CLONE_THREAD | CLONE_VM));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, MEMORY_SCAN_IOCTL));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, FIONREAD));
	if (r == 0) /* fstat(3) of older ones; a path leads to nothing, see drop.c */
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				     SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
	if (r == 0) /* malloc(3) would know more of the machine, and does without */
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
	if (r == 0) /* glibc asks once whether the standard descriptors are terminals */
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_EQ, TCGETS));
	return r;
}

static int load_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? add_rules(filter) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* Keeps this descriptor, under another number, and closes all others but the standard ones. */
static int keep_only(int *fd)
{
	if (dup2(*fd, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, ~0U, 0) < 0)
		return -errno;
	*fd = STDERR_FILENO + 1;
	return 0;
}

/*
 * Confines this process for the rest of its life.  Of its descriptors the standard ones stay, which
 * are /dev/null, and the socket *fd, whose number changes: others can come by it.  To be called in
 * a child of one thread; it does not outlive its parent.  A user other than root stays who he is,
 * without capabilities.  0 or -errno, and then the caller ends.  See: seccomp(2), capabilities(7).
 */
int sandbox_enter(int *fd, pid_t parent)
{
	int r = keep_only(fd);

	if (r == 0)
		r = drop_all(parent);
	return r < 0 ? r : load_filter();
}
