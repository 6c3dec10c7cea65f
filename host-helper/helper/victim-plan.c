// SPDX-License-Identifier: MIT
/*
 * The plan by which an agent or a delegate gets the victim's rights: what it had, as the kernel
 * tells, and descriptors that pin where it was.
 *
 * Nothing of it is guessed: what cannot be had, or is not understood, means that nothing is handed
 * over.
 */
#include "victim-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container.h"
#include "fd.h"
#include "lsm.h"
#include "victim-cgroup.h"

static void no_plan(struct victim *v, const char *what, int error)
{
	if (asprintf(&v->no_plan, "the %s of the crashed process: %s", what, strerror(-error)) < 0)
		v->no_plan = NULL;
}

/* Its priority, which ours stays below; by the number of a thread that has not been reaped. */
static int plan_priority(struct victim *v)
{
	cleanup_free char *text = NULL;
	struct proc_stat stat = { 0 };
	size_t len;
	pid_t tid = (pid_t)v->status.pid;
	int r = file_read_at(v->procfd, "stat", 4096, &text, &len);

	if (r == 0)
		r = proc_stat_parse(text, &stat);
	if (r < 0)
		return r;
	v->plan.nice = stat.nice;
	v->plan.scheduler = (int32_t)stat.scheduler;
	long ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
	if (ioprio < 0)
		return -errno;
	v->plan.ioprio = (int32_t)ioprio;
	return sched_getaffinity(tid, sizeof(v->plan.cpus), (cpu_set_t *)v->plan.cpus) < 0 ? -errno
											   : 0;
}

/* The victim's label, where it has another than we. */
static int plan_label(struct victim *v)
{
	char own[ENTER_LABEL_SIZE];
	cleanup_fd int self = -1;
	enum lsm lsm = lsm_find("/sys");

	if (lsm == LSM_NONE)
		return 0;
	self = open("/proc/thread-self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = self < 0 ? -errno : lsm_read_label(lsm, self, own);
	if (r == 0)
		r = lsm_read_label(lsm, v->procfd, v->plan.label);
	if (r == 0 && strcmp(own, v->plan.label) != 0)
		v->plan.lsm = lsm;
	return r;
}

/* Ids, groups, capabilities, limits: what stands in the snapshot. */
static int plan_rights(struct victim *v)
{
	const struct proc_status *s = &v->status;
	const char *limits = v->files[VICTIM_LIMITS].data;

	v->plan.uid = s->uid[0];
	v->plan.gid = s->gid[0];
	v->plan.group_count = s->group_count;
	memcpy(v->plan.groups, s->groups, sizeof(v->plan.groups));
	memcpy(v->plan.caps, s->caps, sizeof(v->plan.caps));
	v->plan.seccomp_mode = s->seccomp_mode;
	return limits ? proc_limits_parse(limits, v->plan.limits) : -ESRCH;
}

/* Each part of the plan; *ret_what tells which one failed. */
static int plan_all(struct victim *v, const char **ret_what)
{
	static const struct {
		const char *what;
		int (*make)(struct victim *victim);
	} parts[] = {
		{ "rights and limits", plan_rights },
		{ "priority", plan_priority },
		{ "LSM label", plan_label },
		{ "cgroup", victim_cgroup_pin },
	};

	*ret_what = "groups";
	int r = v->status.too_many_groups ? -E2BIG : enter_plan_pin(&v->plan, v->procfd, ret_what);

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && r == 0; i++) {
		*ret_what = parts[i].what;
		r = parts[i].make(v);
	}
	if (r == 0) {
		*ret_what = "life";
		r = victim_check_alive(v);
	}
	return r;
}

/* The id of the container that a process's cgroup tells of, or "". */
static void container_id_of(const char *cgroup, char id[CONTAINER_ID_SIZE])
{
	struct container c = { .id = "" };

	if (cgroup)
		container_from_cgroup(cgroup, &c);
	memcpy(id, c.id, sizeof(c.id));
}

static void container_id_of_pid(unsigned long pid, char id[CONTAINER_ID_SIZE])
{
	cleanup_free char *text = NULL;
	char path[40];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%lu/cgroup", pid);
	(void)file_read_at(AT_FDCWD, path, 64U << 10, &text, &len);
	container_id_of(text, id);
}

/*
 * In a container that has the host's pid namespace there is no init: but its engine ends all that
 * is in there, the agent too, with the process that it has started.  That one's parent is outside.
 * (Who is wrong here keeps a process for hold_max, no more.)
 */
static bool leads_container(const struct victim *v)
{
	const char *status = v->files[VICTIM_STATUS].data;
	const char *line = status ? strstr(status, "\nPPid:\t") : NULL;
	char own[CONTAINER_ID_SIZE], parents[CONTAINER_ID_SIZE];

	container_id_of(v->files[VICTIM_CGROUP].data, own);
	if (!own[0] || !line)
		return false;
	container_id_of_pid(strtoul(line + 7, NULL, 10), parents);
	return strcmp(own, parents) != 0;
}

/*
 * Makes the plan by which a delegate gets the victim's rights, from the snapshot and from /proc, in
 * the victim's time: v->has_plan; or v->no_plan says why not.
 */
void victim_plan_make(struct victim *v)
{
	const char *what = "";

	/* It could read, write and end, and that is too little for any delegate. */
	if (v->status.seccomp_mode == SECCOMP_MODE_STRICT) {
		v->no_plan = strdup("the crashed process ran in seccomp's strict mode: nothing "
				    "can be started with its rights");
		return;
	}
	int r = plan_all(v, &what);
	if (r < 0) {
		no_plan(v, what, r);
		enter_plan_close(&v->plan);
		return;
	}
	v->has_plan = true;
	v->is_init = v->plan.ns_fd[ENTER_NS_PID] >= 0 ? v->status.innermost_pid == 1
						      : leads_container(v);
}
