// SPDX-License-Identifier: MIT
/*
 * The seccomp filter of a program of the container, whose victim ran under one.
 *
 * The victim's own filter cannot be had: the kernel shows it only to a tracer, and a process that
 * dumps its core cannot be traced.  In its place stands what Docker's default profile refuses,
 * which is what containers' filters are made of.  As there, some of it is allowed to who has a
 * capability for it; unlike there, the capability must be the victim's own, not the container's.
 *
 * What is refused gets EPERM, as in Docker: programs are used to that.  It is for the process and
 * all its descendants, for ever.
 */
#include "delegate-filter.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEVER (-1)
/* futex_requeue(2), Linux 6.7; from 403 on all architectures count alike. */
#define LAST_KNOWN_CALL 456
#ifdef __x86_64__
#define COMPAT_PERSONALITY 136 /* i386; on x86-64 it is ustat(2), which is refused anyway */
#else
#define COMPAT_PERSONALITY SYS_personality
#endif

static const struct {
	int call;
	int capability; /* who has it may */
} refused[] = {
	/* namespaces and mounts */
	{ SCMP_SYS(setns), CAP_SYS_ADMIN },
	{ SCMP_SYS(unshare), CAP_SYS_ADMIN },
	{ SCMP_SYS(mount), CAP_SYS_ADMIN },
	{ SCMP_SYS(mount_setattr), CAP_SYS_ADMIN },
	{ SCMP_SYS(move_mount), CAP_SYS_ADMIN },
	{ SCMP_SYS(open_tree), CAP_SYS_ADMIN },
	{ SCMP_SYS(fsconfig), CAP_SYS_ADMIN },
	{ SCMP_SYS(fsmount), CAP_SYS_ADMIN },
	{ SCMP_SYS(fsopen), CAP_SYS_ADMIN },
	{ SCMP_SYS(fspick), CAP_SYS_ADMIN },
	{ SCMP_SYS(umount), CAP_SYS_ADMIN },
	{ SCMP_SYS(umount2), CAP_SYS_ADMIN },
	{ SCMP_SYS(pivot_root), NEVER },
	{ SCMP_SYS(chroot), CAP_SYS_CHROOT },
	/* files by other ways than their names */
	{ SCMP_SYS(name_to_handle_at), CAP_SYS_ADMIN },
	{ SCMP_SYS(open_by_handle_at), NEVER },
	{ SCMP_SYS(fanotify_init), CAP_SYS_ADMIN },
	{ SCMP_SYS(lookup_dcookie), CAP_SYS_ADMIN },
	/* keys are not in any namespace */
	{ SCMP_SYS(add_key), NEVER },
	{ SCMP_SYS(keyctl), NEVER },
	{ SCMP_SYS(request_key), NEVER },
	/* large parts of the kernel that few programs need */
	{ SCMP_SYS(bpf), CAP_SYS_ADMIN },
	{ SCMP_SYS(perf_event_open), CAP_SYS_ADMIN },
	{ SCMP_SYS(userfaultfd), NEVER },
	{ SCMP_SYS(io_uring_setup), NEVER },
	{ SCMP_SYS(io_uring_enter), NEVER },
	{ SCMP_SYS(io_uring_register), NEVER },
	/* other processes; and how memory is laid out over the machine */
	{ SCMP_SYS(kcmp), CAP_SYS_PTRACE },
	{ SCMP_SYS(pidfd_getfd), CAP_SYS_PTRACE },
	{ SCMP_SYS(process_madvise), CAP_SYS_PTRACE },
	{ SCMP_SYS(get_mempolicy), CAP_SYS_NICE },
	{ SCMP_SYS(set_mempolicy), CAP_SYS_NICE },
	{ SCMP_SYS(set_mempolicy_home_node), CAP_SYS_NICE },
	{ SCMP_SYS(mbind), CAP_SYS_NICE },
	{ SCMP_SYS(migrate_pages), NEVER },
	{ SCMP_SYS(move_pages), NEVER },
	/* the machine */
	{ SCMP_SYS(kexec_load), NEVER },
	{ SCMP_SYS(kexec_file_load), NEVER },
	{ SCMP_SYS(init_module), NEVER },
	{ SCMP_SYS(finit_module), NEVER },
	{ SCMP_SYS(delete_module), NEVER },
	{ SCMP_SYS(create_module), NEVER },
	{ SCMP_SYS(get_kernel_syms), NEVER },
	{ SCMP_SYS(query_module), NEVER },
	{ SCMP_SYS(reboot), CAP_SYS_BOOT },
	{ SCMP_SYS(acct), CAP_SYS_PACCT },
	{ SCMP_SYS(swapon), NEVER },
	{ SCMP_SYS(swapoff), NEVER },
	{ SCMP_SYS(quotactl), CAP_SYS_ADMIN },
	{ SCMP_SYS(quotactl_fd), CAP_SYS_ADMIN },
	{ SCMP_SYS(sethostname), CAP_SYS_ADMIN },
	{ SCMP_SYS(setdomainname), CAP_SYS_ADMIN },
	{ SCMP_SYS(syslog), CAP_SYSLOG },
	{ SCMP_SYS(settimeofday), CAP_SYS_TIME },
	{ SCMP_SYS(stime), CAP_SYS_TIME },
	{ SCMP_SYS(clock_settime), CAP_SYS_TIME },
	{ SCMP_SYS(clock_settime64), CAP_SYS_TIME },
	{ SCMP_SYS(iopl), CAP_SYS_RAWIO },
	{ SCMP_SYS(ioperm), CAP_SYS_RAWIO },
	{ SCMP_SYS(vhangup), CAP_SYS_TTY_CONFIG },
	{ SCMP_SYS(vm86), NEVER },
	{ SCMP_SYS(vm86old), NEVER },
	/* what nothing has used for decades */
	{ SCMP_SYS(_sysctl), NEVER },
	{ SCMP_SYS(nfsservctl), NEVER },
	{ SCMP_SYS(sysfs), NEVER },
	{ SCMP_SYS(uselib), NEVER },
	{ SCMP_SYS(ustat), NEVER },
};

static bool has(const struct enter_plan *plan, int capability)
{
	return capability != NEVER && (plan->caps[ENTER_CAP_PERMITTED] >> capability & 1) != 0;
}

static int refuse_namespaces(scmp_filter_ctx filter)
{
	static const scmp_datum_t flags[] = { CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
					      CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
					      CLONE_NEWNET };
	/* Its flags are in memory, out of a filter's sight; C libraries then take clone(2). */
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	return r;
}

/* (libseccomp takes i386's socketcall(2) for socket(2) whole: programs of 32 bits lose it.) */
static int refuse_sockets(scmp_filter_ctx filter)
{
	static const scmp_datum_t families[] = { AF_VSOCK, AF_ALG };
	int r = 0;

	for (size_t i = 0; i < sizeof(families) / sizeof(*families) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, families[i]));
	return r;
}

static int add_architectures(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));

#ifdef __x86_64__
	if (r == 0)
		r = seccomp_arch_add(filter, SCMP_ARCH_X86);
#endif
	return r;
}

static int add_rules(scmp_filter_ctx filter, const struct enter_plan *plan)
{
	int r = add_architectures(filter);

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused) && r == 0; i++)
		if (!has(plan, refused[i].capability))
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i].call, 0);
	if (r == 0 && !has(plan, CAP_SYS_ADMIN))
		r = refuse_namespaces(filter);
	if (r == 0) /* as in LXC; without CAP_SYS_ADMIN it is refused whole */
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(umount2), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, MNT_FORCE, MNT_FORCE));
	return r < 0 ? r : refuse_sockets(filter);
}

static int load_rules(const struct enter_plan *plan)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? add_rules(filter, plan) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/*
 * What libseccomp has no words for: calls by their range, and personality(2) by more than one
 * value. Calls that are newer than the list above do not exist: programs go on as on an older
 * kernel.  (So do those of x32, whose numbers are beyond.)
 */
static int load_ranges(void)
{
#define LOAD(field)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(op, k, t, f) BPF_JUMP(BPF_JMP | BPF_##op | BPF_K, k, t, f)
#define RETURN(value)	BPF_STMT(BPF_RET | BPF_K, value)
	struct sock_filter code[] = {
		LOAD(nr),
		IF(JGT, LAST_KNOWN_CALL, 11, 0),
		IF(JEQ, SYS_personality, 2, 0),
		/* Of the other architecture, i386 on x86-64, its own number counts, too. */
		IF(JEQ, COMPAT_PERSONALITY, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(args[0]), /* its lower half, on the machines that we know */
		IF(JEQ, PER_LINUX, 4, 0),
		IF(JEQ, PER_LINUX32, 3, 0),
		IF(JEQ, UNAME26, 2, 0),
		IF(JEQ, PER_LINUX32 | UNAME26, 1, 0),
		IF(JEQ, 0xffffffff, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | EPERM),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

/*
 * Applies it to the caller, which has no_new_privs, directly before exec; nothing where the victim
 * had none.  0 or -errno.  See: seccomp(2), seccomp_rule_add(3).
 */
int delegate_filter_apply(const struct enter_plan *plan)
{
	if (plan->seccomp_mode == SECCOMP_MODE_DISABLED)
		return 0;
	int r = load_rules(plan);

	return r < 0 ? r : load_ranges();
}
