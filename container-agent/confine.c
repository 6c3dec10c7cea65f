// SPDX-License-Identifier: MIT
/*
 * What the agent can no longer do once it is in the container: load code, start programs, signal or
 * trace other processes, change namespaces.
 *
 * The agent is not in the container's pid namespace.  If code of the container ran within it (a
 * plugin that some library loads by a file there, or an answer that overruns one), it could reach
 * the host's processes that have the same uid.  So no memory becomes executable any more.
 */
#include "confine.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>

/* Which argument of which call has the protection. */
static const struct {
	int call;
	unsigned argument;
} protections[] = {
	{ SCMP_SYS(mmap), 2 },
	{ SCMP_SYS(mprotect), 2 },
	{ SCMP_SYS(pkey_mprotect), 2 },
};

static const int denied[] = {
	/* other ways to executable memory, or to other programs */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(personality),
	SCMP_SYS(shmat),
	SCMP_SYS(uselib),
	/* other processes */
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(tgkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(setpriority),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(prlimit64),
	/* namespaces, mounts, the kernel itself */
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(reboot),
};

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(protections) / sizeof(*protections) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), protections[i].call, 1,
				     SCMP_CMP(protections[i].argument, SCMP_CMP_MASKED_EQ,
					      PROT_EXEC, PROT_EXEC));
	for (size_t i = 0; i < sizeof(denied) / sizeof(*denied) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	return r;
}

/*
 * Denies it for the rest of the process's life (no_new_privs is set).  0 or -errno, and then the
 * caller ends.  See: seccomp(2), seccomp_rule_add(3).
 */
int confine(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? add_rules(filter) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
