// SPDX-License-Identifier: MIT
/*
 * Entering the victim's namespaces and taking on exactly its rights.
 *
 * What the namespaces hold is the attacker's.  From the first setns(2) to the last check nothing in
 * them is opened, no name is looked up, and no step is passed over: a failure ends the process that
 * called (its caller sees to that), and the core stays in the store.
 *
 * All namespaces but the user namespace are joined with the host's rights, for a container may
 * share some of them with others that its own user namespace has no say in.  Groups and ids are set
 * before the user namespace is joined: they are then the ones that the host knows, mapped or not,
 * and "setgroups=deny" does not stand in the way.  Joining it makes the capabilities relative to
 * it.
 */
#include "enter.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "lsm.h"

static const struct {
	const char *name;
	int flag;
} namespaces[ENTER_NS_COUNT] = {
	[ENTER_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP },
	[ENTER_NS_IPC] = { "ipc", CLONE_NEWIPC },
	[ENTER_NS_UTS] = { "uts", CLONE_NEWUTS },
	[ENTER_NS_TIME] = { "time", 0x80 },
	[ENTER_NS_NET] = { "net", CLONE_NEWNET },
	[ENTER_NS_PID] = { "pid", CLONE_NEWPID },
	[ENTER_NS_MNT] = { "mnt", CLONE_NEWNS },
	[ENTER_NS_USER] = { "user", CLONE_NEWUSER },
};

/* Its name in /proc/PID/ns. */
const char *enter_namespace_name(enum enter_namespace ns)
{
	return namespaces[ns].name;
}

/* An empty plan. */
void enter_plan_init(struct enter_plan *plan)
{
	*plan = (struct enter_plan){ .magic = ENTER_PLAN_MAGIC, .root_fd = -1, .cwd_fd = -1 };
	for (int i = 0; i < ENTER_NS_COUNT; i++)
		plan->ns_fd[i] = -1;
	for (int i = 0; i < ENTER_CGROUPS_MAX; i++)
		plan->cgroup_fd[i] = -1;
}

/* Closes its descriptors. */
void enter_plan_close(struct enter_plan *plan)
{
	for (int i = 0; i < ENTER_NS_COUNT; i++)
		fd_close(&plan->ns_fd[i]);
	for (int i = 0; i < ENTER_CGROUPS_MAX; i++)
		fd_close(&plan->cgroup_fd[i]);
	plan->cgroup_count = 0;
	fd_close(&plan->root_fd);
	fd_close(&plan->cwd_fd);
}

/* Opens one namespace of the victim; *ret_fd stays -1 where it is our own. */
static int pin_namespace(int procfd, const char *name, int32_t *ret_fd)
{
	char path[32], own[48];
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "ns/%s", name);
	snprintf(own, sizeof(own), "/proc/self/ns/%s", name);
	cleanup_fd int fd = openat(procfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int error = errno;

		/* A kernel without this kind of namespace has it neither here nor there. */
		return error == ENOENT && access(own, F_OK) < 0 && errno == ENOENT ? 0 : -error;
	}
	if (fstat(fd, &theirs) < 0 || stat(own, &ours) < 0)
		return -errno;
	if (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev)
		*ret_fd = fd_steal(&fd);
	return 0;
}

/*
 * Pins the victim's namespaces, root and working directory through procfd (its /proc directory), so
 * that they outlive it.  Nothing is read from them.  0; or -errno, and *ret_what tells of what.
 */
int enter_plan_pin(struct enter_plan *plan, int procfd, const char **ret_what)
{
	for (int i = 0; i < ENTER_NS_COUNT; i++) {
		int r = pin_namespace(procfd, namespaces[i].name, &plan->ns_fd[i]);

		if (r < 0) {
			*ret_what = namespaces[i].name;
			return r;
		}
	}
	*ret_what = "root";
	plan->root_fd = openat(procfd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (plan->root_fd < 0)
		return -errno;
	*ret_what = "cwd";
	plan->cwd_fd = openat(procfd, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return plan->cwd_fd < 0 ? -errno : 0;
}

/* Our own label, of the host's /proc: another one would be the container's. */
static int label_fd = -1;

/*
 * What has to be done before the first setns(2): libcap-ng reads /proc for the number of
 * capabilities when it is used first, and must not do so in the container; nor must the label be
 * looked for there.
 */
int enter_prepare(const struct enter_plan *plan)
{
	if (plan->lsm != LSM_NONE) {
		label_fd = lsm_open_own((enum lsm)plan->lsm);
		if (label_fd < 0)
			return label_fd;
	}
	return capng_get_caps_process() < 0 ? -EIO : 0;
}

/*
 * Exactly the victim's, as the host's root: a limit that was lowered before is raised again.  Only
 * core dumps stay out: 1 is the value at which the kernel starts no handler, so nothing that we
 * start makes another of us.
 */
static int set_limits(const struct enter_plan *plan, enum enter_step *ret_step)
{
	*ret_step = ENTER_STEP_LIMITS;
	for (int i = 0; i < ENTER_LIMIT_COUNT; i++) {
		struct rlimit limit = { plan->limits[i].soft, plan->limits[i].hard };

		if (i == RLIMIT_CORE)
			limit = (struct rlimit){ 1, 1 };
		if (setrlimit((__rlimit_resource_t)i, &limit) < 0)
			return -errno;
	}
	return 0;
}

static int join_namespaces(const struct enter_plan *plan, bool pid_namespace,
			   enum enter_step *ret_step)
{
	for (int i = 0; i < ENTER_NS_USER; i++) {
		if (plan->ns_fd[i] < 0 || (i == ENTER_NS_PID && !pid_namespace))
			continue;
		*ret_step = ENTER_STEP_NAMESPACE + (enum enter_step)i;
		if (setns(plan->ns_fd[i], namespaces[i].flag) < 0)
			return -errno;
	}
	return 0;
}

/*
 * As the victim's user: a FUSE file system that is the victim's refuses the host's root.  A working
 * directory that cannot be had is no reason to give up: then it is the root.
 */
static int change_directories(const struct enter_plan *plan, enum enter_step *ret_step)
{
	*ret_step = ENTER_STEP_ROOT;
	if (fchdir(plan->root_fd) < 0 || chroot(".") < 0)
		return -errno;
	*ret_step = ENTER_STEP_CWD;
	return fchdir(plan->cwd_fd) < 0 && chdir("/") < 0 ? -errno : 0;
}

static int take_ids(const struct enter_plan *plan, enum enter_step *ret_step)
{
	*ret_step = ENTER_STEP_GROUPS;
	/* Changing ids must not touch the capabilities yet: they are needed to join the user
	 * namespace. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(plan->group_count, plan->groups) < 0)
		return -errno;

	*ret_step = ENTER_STEP_IDS;
	if (setresgid(plan->gid, plan->gid, plan->gid) < 0 ||
	    setresuid(plan->uid, plan->uid, plan->uid) < 0)
		return -errno;
	uid_t r, e, s;
	gid_t rg, eg, sg;
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return -errno;
	if (r != plan->uid || e != plan->uid || s != plan->uid || rg != plan->gid ||
	    eg != plan->gid || sg != plan->gid)
		return -EPERM;

	/* A change of ids sets this to fs.suid_dumpable, and that may be 1. */
	*ret_step = ENTER_STEP_UNDUMPABLE;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;

	*ret_step = ENTER_STEP_USER_NAMESPACE;
	if (plan->ns_fd[ENTER_NS_USER] >= 0 && setns(plan->ns_fd[ENTER_NS_USER], CLONE_NEWUSER) < 0)
		return -errno;
	/* And so does this. */
	*ret_step = ENTER_STEP_UNDUMPABLE;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static bool plan_has_cap(const struct enter_plan *plan, enum enter_capability_set set, int cap)
{
	return (plan->caps[set] >> cap & 1) != 0;
}

static int drop_capabilities(const struct enter_plan *plan, enum enter_step *ret_step)
{
	static const capng_type_t types[ENTER_CAP_COUNT] = {
		[ENTER_CAP_INHERITABLE] = CAPNG_INHERITABLE,
		[ENTER_CAP_PERMITTED] = CAPNG_PERMITTED,
		[ENTER_CAP_EFFECTIVE] = CAPNG_EFFECTIVE,
		[ENTER_CAP_BOUNDING] = CAPNG_BOUNDING_SET,
		[ENTER_CAP_AMBIENT] = CAPNG_AMBIENT,
	};

	/* By hand: libcap-ng would read /proc/self/status here, and that is the container's now. */
	*ret_step = ENTER_STEP_BOUNDING;
	for (int cap = 0; cap < 64; cap++) {
		int have = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (have < 0)
			break;
		if (have && !plan_has_cap(plan, ENTER_CAP_BOUNDING, cap) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}

	*ret_step = ENTER_STEP_CAPABILITIES;
	if (prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned cap = 0; cap_valid(cap) && cap <= CAP_LAST_CAP; cap++)
		for (int set = 0; set < ENTER_CAP_COUNT; set++)
			if (plan_has_cap(plan, (enum enter_capability_set)set, (int)cap))
				capng_update(CAPNG_ADD, types[set], cap);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 || capng_apply(CAPNG_SELECT_AMBIENT) < 0)
		return -EPERM;
	return 0;
}

/* Behind all that the label may forbid; before no_new_privs, which forbids to change it. */
static int take_label(const struct enter_plan *plan, enum enter_step *ret_step)
{
	*ret_step = ENTER_STEP_LABEL;
	if (plan->lsm == LSM_NONE)
		return 0;
	int r = lsm_change(label_fd, (enum lsm)plan->lsm, plan->label);
	fd_close(&label_fd);
	return r;
}

/* Asks the kernel, not the library, what we are now: nothing may be more than the plan says. */
static int verify(const struct enter_plan *plan)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	uint64_t effective = data[0].effective | (uint64_t)data[1].effective << 32;
	uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	uint64_t inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;

	if ((effective & ~plan->caps[ENTER_CAP_EFFECTIVE]) != 0 ||
	    (permitted & ~plan->caps[ENTER_CAP_PERMITTED]) != 0 ||
	    (inheritable & ~plan->caps[ENTER_CAP_INHERITABLE]) != 0)
		return -EPERM;
	for (int cap = 0; cap < 64; cap++) {
		int bounding = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (bounding < 0)
			break;
		if (bounding && !plan_has_cap(plan, ENTER_CAP_BOUNDING, cap))
			return -EPERM;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1 &&
		    !plan_has_cap(plan, ENTER_CAP_AMBIENT, cap))
			return -EPERM;
	}
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -EPERM;
	return 0;
}

/*
 * Enters and drops: afterwards the caller is in the victim's namespaces with the victim's ids,
 * groups, capabilities, limits and label, undumpable and with no_new_privs.  The caller has one
 * thread, has called enter_prepare(), and ends itself when this fails.  pid_namespace: the caller's
 * next child is born in the victim's (setns(2) never moves the caller).  0; or -errno, and
 * *ret_step tells in which step. See: setns(2), user_namespaces(7), capabilities(7).
 */
int enter_apply(const struct enter_plan *plan, bool pid_namespace, enum enter_step *ret_step)
{
	*ret_step = ENTER_STEP_PREPARE;
	if (plan->magic != ENTER_PLAN_MAGIC || plan->group_count > ENTER_GROUPS_MAX ||
	    plan->root_fd < 0 || plan->cwd_fd < 0)
		return -EINVAL;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;

	int r = set_limits(plan, ret_step);
	if (r == 0)
		r = join_namespaces(plan, pid_namespace, ret_step);
	if (r == 0)
		r = take_ids(plan, ret_step);
	if (r == 0)
		r = change_directories(plan, ret_step);
	if (r == 0)
		r = drop_capabilities(plan, ret_step);
	if (r == 0)
		r = take_label(plan, ret_step);
	if (r < 0)
		return r;

	*ret_step = ENTER_STEP_NO_NEW_PRIVS;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_step = ENTER_STEP_UNDUMPABLE;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	*ret_step = ENTER_STEP_VERIFY;
	return verify(plan);
}

/* What a step does, for messages: "entering the mnt namespace". */
const char *enter_step_name(enum enter_step step)
{
	static const char *const names[ENTER_STEP_COUNT] = {
		[ENTER_STEP_PREPARE] = "preparing to enter",
		[ENTER_STEP_KEYRING] = "leaving the host's keyring",
		[ENTER_STEP_CGROUP] = "joining the victim's cgroup",
		[ENTER_STEP_OOM] = "setting oom_score_adj",
		[ENTER_STEP_PRIORITY] = "lowering the priority",
		[ENTER_STEP_LIMITS] = "setting the victim's resource limits",
		[ENTER_STEP_NAMESPACE + ENTER_NS_CGROUP] = "entering the cgroup namespace",
		[ENTER_STEP_NAMESPACE + ENTER_NS_IPC] = "entering the ipc namespace",
		[ENTER_STEP_NAMESPACE + ENTER_NS_UTS] = "entering the uts namespace",
		[ENTER_STEP_NAMESPACE + ENTER_NS_TIME] = "entering the time namespace",
		[ENTER_STEP_NAMESPACE + ENTER_NS_NET] = "entering the net namespace",
		[ENTER_STEP_NAMESPACE + ENTER_NS_PID] = "entering the pid namespace",
		[ENTER_STEP_NAMESPACE + ENTER_NS_MNT] = "entering the mnt namespace",
		[ENTER_STEP_ROOT] = "changing to the victim's root directory",
		[ENTER_STEP_CWD] = "changing to the victim's working directory",
		[ENTER_STEP_GROUPS] = "setting the victim's groups",
		[ENTER_STEP_IDS] = "setting the victim's uid and gid",
		[ENTER_STEP_USER_NAMESPACE] = "entering the user namespace",
		[ENTER_STEP_BOUNDING] = "limiting the bounding set",
		[ENTER_STEP_CAPABILITIES] = "setting the victim's capabilities",
		[ENTER_STEP_LABEL] = "taking the victim's LSM label",
		[ENTER_STEP_NO_NEW_PRIVS] = "setting no_new_privs",
		[ENTER_STEP_UNDUMPABLE] = "becoming undumpable",
		[ENTER_STEP_VERIFY] = "checking the rights after all steps",
		[ENTER_STEP_OWN_PIDS] = "making a pid namespace for the delegate",
		[ENTER_STEP_FORK] = "forking in the pid namespace",
		[ENTER_STEP_FILTER] = "setting the seccomp filter",
		[ENTER_STEP_EXEC] = "starting the program",
	};

	return step < ENTER_STEP_COUNT && names[step] ? names[step] : "an unknown step";
}
