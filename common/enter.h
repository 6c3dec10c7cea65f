/* SPDX-License-Identifier: MIT */
/*
 * Entering the victim's namespaces and taking on exactly its rights: the one place where that is
 * done, for the agent and for delegates alike.
 *
 * A plan is made while the victim is held, from descriptors that pin what it had; it is applied by
 * a process that is thrown away if any step fails.  Between the first and the last step nothing of
 * the container is opened, loaded or run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel takes up to 65,536 groups; a victim with more than this is not handed over. */
#define ENTER_GROUPS_MAX  1024
#define ENTER_PLAN_MAGIC  0x63665032U /* "cfP2": helper and agent are of one build */
#define ENTER_LIMIT_COUNT 16
#define ENTER_CGROUPS_MAX 32   /* hierarchies: there are about 15 controllers */
#define ENTER_LABEL_SIZE  1024 /* of AppArmor's and SELinux's labels, with NUL */
#define ENTER_CPU_WORDS	  128  /* 8192 CPUs, the kernel's maximum */

enum enter_namespace {
	ENTER_NS_CGROUP,
	ENTER_NS_IPC,
	ENTER_NS_UTS,
	ENTER_NS_TIME,
	ENTER_NS_NET,
	ENTER_NS_PID,
	ENTER_NS_MNT,
	ENTER_NS_USER,
	ENTER_NS_COUNT,
};

enum enter_capability_set {
	ENTER_CAP_INHERITABLE,
	ENTER_CAP_PERMITTED,
	ENTER_CAP_EFFECTIVE,
	ENTER_CAP_BOUNDING,
	ENTER_CAP_AMBIENT,
	ENTER_CAP_COUNT,
};

struct enter_limit {
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/* Passed from helper to agent as bytes: fixed types only. */
struct enter_plan {
	uint32_t magic;
	int32_t ns_fd[ENTER_NS_COUNT]; /* -1: the victim shares ours */
	int32_t root_fd, cwd_fd;       /* O_PATH */
	uint32_t uid, gid;	       /* as the initial user namespace sees them */
	uint32_t group_count;
	uint32_t groups[ENTER_GROUPS_MAX];
	uint64_t caps[ENTER_CAP_COUNT];		      /* as in /proc/PID/status */
	struct enter_limit limits[ENTER_LIMIT_COUNT]; /* by RLIMIT_* */
	uint32_t seccomp_mode;			      /* SECCOMP_MODE_*; 0: none */
	uint32_t lsm;				      /* enum lsm; its label, if it is not ours */
	char label[ENTER_LABEL_SIZE];

	/* For restrain_process(), on the host; the descriptors are not handed over. */
	uint32_t cgroup_count;
	int32_t cgroup_fd[ENTER_CGROUPS_MAX]; /* to be written "0" to */
	uint32_t cgroup_may_be_gone;	      /* of a process of the host: any program may go on */
	int32_t nice, scheduler, ioprio;
	uint64_t cpus[ENTER_CPU_WORDS]; /* as sched_getaffinity(2) has them; none: all */
};

/* The steps, in their order: what failed is named by one of them. */
enum enter_step {
	ENTER_STEP_PREPARE,
	ENTER_STEP_KEYRING,
	ENTER_STEP_CGROUP,
	ENTER_STEP_OOM,
	ENTER_STEP_PRIORITY,
	ENTER_STEP_LIMITS,
	ENTER_STEP_NAMESPACE, /* + the enter_namespace */
	ENTER_STEP_GROUPS = ENTER_STEP_NAMESPACE + ENTER_NS_COUNT,
	ENTER_STEP_IDS,
	ENTER_STEP_USER_NAMESPACE,
	ENTER_STEP_ROOT,
	ENTER_STEP_CWD,
	ENTER_STEP_BOUNDING,
	ENTER_STEP_CAPABILITIES,
	ENTER_STEP_LABEL,
	ENTER_STEP_NO_NEW_PRIVS,
	ENTER_STEP_UNDUMPABLE,
	ENTER_STEP_VERIFY,
	ENTER_STEP_OWN_PIDS, /* of a delegate: delegate-namespace.c */
	ENTER_STEP_FORK,
	ENTER_STEP_FILTER,
	ENTER_STEP_EXEC,
	ENTER_STEP_COUNT,
};

void enter_plan_init(struct enter_plan *plan);
void enter_plan_close(struct enter_plan *plan);
int enter_plan_pin(struct enter_plan *plan, int procfd, const char **ret_what);
const char *enter_namespace_name(enum enter_namespace ns);

int enter_prepare(const struct enter_plan *plan);
int enter_apply(const struct enter_plan *plan, bool pid_namespace, enum enter_step *ret_step);
const char *enter_step_name(enum enter_step step);
