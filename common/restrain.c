// SPDX-License-Identifier: MIT
/*
 * What binds a child of ours before it enters.
 *
 * All of it is done by the host's root, in the host's namespaces, with descriptors and files of the
 * host's: afterwards what the child takes counts as the victim's, and it stands back behind all
 * that runs there.
 */
#include "restrain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"

#define NICE_LEAST   10
#define IOPRIO_LEVEL 7
/* Where memory runs out it is the child that goes: its core is in the store. */
#define OOM_SCORE_ADJ "1000"

/* As exec leaves them, who started the helper may have had others. */
static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i <= SIGRTMAX; i++)
		(void)signal(i, SIG_DFL); /* fails for SIGKILL, SIGSTOP and glibc's own */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The helper's session keyring may be that of an operator's login: a new, empty one. */
static int leave_keyring(void)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return -errno;
	return 0;
}

static int join_cgroups(const struct enter_plan *plan, bool is_ours)
{
	for (uint32_t i = 0; i < plan->cgroup_count && i < ENTER_CGROUPS_MAX; i++) {
		if (write(plan->cgroup_fd[i], "0", 1) == 1)
			continue;
		if (errno != ENODEV || (!plan->cgroup_may_be_gone && !is_ours))
			return -errno;
		/* stderr is the record's pipe. */
		dprintf(STDERR_FILENO, "coreferry: the process's cgroup has been removed: its "
				       "limits do not hold\n");
	}
	return 0;
}

static int stand_in_line_for_oom(void)
{
	cleanup_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, OOM_SCORE_ADJ, sizeof(OOM_SCORE_ADJ) - 1);
}

static bool has_cpus(const struct enter_plan *plan)
{
	uint64_t any = 0;

	for (int i = 0; i < ENTER_CPU_WORDS; i++)
		any |= plan->cpus[i];
	return any != 0;
}

static int lower_priority(const struct enter_plan *plan)
{
	const struct sched_param none = { 0 };
	int io_class = IOPRIO_PRIO_CLASS(plan->ioprio) == IOPRIO_CLASS_IDLE ? IOPRIO_CLASS_IDLE
									    : IOPRIO_CLASS_BE;

	if (sched_setscheduler(0, plan->scheduler == SCHED_IDLE ? SCHED_IDLE : SCHED_OTHER, &none) <
		    0 ||
	    setpriority(PRIO_PROCESS, 0, plan->nice > NICE_LEAST ? plan->nice : NICE_LEAST) < 0 ||
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		    IOPRIO_PRIO_VALUE(io_class, IOPRIO_LEVEL)) < 0)
		return -errno;
	/* EINVAL: none of them is in the cpuset any more, which counts then. */
	if (has_cpus(plan) &&
	    sched_setaffinity(0, sizeof(plan->cpus), (const cpu_set_t *)plan->cpus) < 0 &&
	    errno != EINVAL)
		return -errno;
	return 0;
}

/*
 * Binds the caller, a forked child of one thread that is still root on the host, for all that it
 * becomes: the victim's cgroups and CPUs, nice 10 or the victim's if that is more, the lowest best
 * effort for I/O, the first to go where memory runs out; umask 077, default signals, an empty
 * session keyring.  is_ours: it will run our own code only, which may go on where the cgroup has
 * been removed: a program of the container must not get rid of its limits that way.  0; or -errno,
 * and *ret_step tells in which step; then it ends itself. See: cgroups(7), sched(7), ioprio_set(2),
 * proc_pid_oom_score_adj(5).
 */
int restrain_process(const struct enter_plan *plan, bool is_ours, enum enter_step *ret_step)
{
	reset_signals();
	umask(077);
	*ret_step = ENTER_STEP_KEYRING;
	int r = leave_keyring();

	if (r == 0) {
		*ret_step = ENTER_STEP_OOM;
		r = stand_in_line_for_oom();
	}
	if (r == 0) {
		*ret_step = ENTER_STEP_CGROUP;
		r = join_cgroups(plan, is_ours);
	}
	if (r == 0) {
		*ret_step = ENTER_STEP_PRIORITY;
		r = lower_priority(plan);
	}
	return r;
}
