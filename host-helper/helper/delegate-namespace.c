// SPDX-License-Identifier: MIT
/*
 * A pid namespace for one delegate, below the container's: what is born in it ends with its init,
 * whatever it does.
 *
 * Only a process that is in the container's pid namespace can make one below it, and only with
 * CAP_SYS_ADMIN.  The container sees such a process, and with CAP_SYS_PTRACE it can take it over.
 * So it is locked before it is born: its parent, the founder, enters as the victim, keeps that one
 * capability and no descriptor but a socket to us, and loads a filter under which nothing can be
 * done but this.  The init stays under that filter, without the capability.
 *
 *	we --fork--> founder --clone--> one in the container's namespace --clone--> init of the new
 *
 * All three are our children (CLONE_PARENT): nothing is left to the container's init.  They cannot
 * leave our process group, so the helper ends them with it.
 */
#include "delegate-namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "lsm.h"

#define FIRST_CLONE  (CLONE_PARENT | SIGCHLD)
#define SECOND_CLONE (CLONE_PARENT | CLONE_NEWPID | SIGCHLD)

/* What founder and init send us. */
struct word {
	uint32_t step;
	int32_t error; /* 0: the sender is the init */
};

static const int allowed[] = {
	SCMP_SYS(capset), SCMP_SYS(rt_sigaction), SCMP_SYS(write),	  SCMP_SYS(close),
	SCMP_SYS(ppoll),  SCMP_SYS(exit_group),	  SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
};

/* --- in the founder and its children --- */

static int add_rules(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_EQ, FIRST_CLONE));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_EQ, SECOND_CLONE));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG));
	return r;
}

static int lock(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? add_rules(filter) : -ENOMEM;

	/* The filter is not released: free(3) may need calls that are forbidden now. */
	return r < 0 ? r : seccomp_load(filter);
}

static int say(int socket, enum enter_step step, int error)
{
	const struct word word = { .step = step, .error = error };

	return write(socket, &word, sizeof(word)) == sizeof(word) ? 0 : -errno;
}

/* fork(3) would do more than the filter allows. */
static pid_t clone_process(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

/* Of its children, which are the orphans of the namespace, the kernel takes care. */
static _Noreturn void be_init(int socket)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0 } };

	/* If we have ended before this, the socket tells. */
	if (syscall(SYS_capset, &header, none) == 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && signal(SIGCHLD, SIG_IGN) != SIG_ERR &&
	    say(socket, ENTER_STEP_OWN_PIDS, 0) == 0) {
		close(socket);
		for (;;)
			(void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	}
	_exit(1);
}

static _Noreturn void make(int socket)
{
	pid_t pid = clone_process(SECOND_CLONE);

	if (pid == 0)
		be_init(socket);
	if (pid < 0)
		(void)say(socket, ENTER_STEP_OWN_PIDS, -errno);
	_exit(pid < 0);
}

/* Everything but the socket, which becomes 0, is closed. */
static int keep_only(int socket)
{
	return dup2(socket, STDIN_FILENO) < 0 || close_range(STDIN_FILENO + 1, ~0U, 0) < 0 ? -errno
											   : 0;
}

/*
 * The victim's, but: one capability; our own limits, with which there is memory for what is to be
 * done; and our own label, for the victim's may forbid to use that capability.
 */
static struct enter_plan make_founders_plan(const struct enter_plan *plan)
{
	struct enter_plan founder = *plan;

	memset(founder.caps, 0, sizeof(founder.caps));
	founder.caps[ENTER_CAP_PERMITTED] = 1ULL << CAP_SYS_ADMIN;
	founder.caps[ENTER_CAP_EFFECTIVE] = 1ULL << CAP_SYS_ADMIN;
	founder.lsm = LSM_NONE;
	for (int i = 0; i < ENTER_LIMIT_COUNT; i++) {
		struct rlimit limit;

		if (getrlimit((__rlimit_resource_t)i, &limit) == 0)
			founder.limits[i] = (struct enter_limit){ limit.rlim_cur, limit.rlim_max };
	}
	return founder;
}

static _Noreturn void found(const struct enter_plan *plan, int socket)
{
	const struct enter_plan founder = make_founders_plan(plan);
	enum enter_step step = ENTER_STEP_PREPARE;
	int r = enter_prepare(&founder);
	if (r == 0)
		r = enter_apply(&founder, true, &step);
	if (r < 0) {
		(void)say(socket, step, r);
		_exit(1);
	}
	r = keep_only(socket);
	if (r == 0) {
		socket = STDIN_FILENO;
		r = lock();
	}
	if (r == 0) {
		pid_t pid = clone_process(FIRST_CLONE);

		if (pid == 0)
			make(socket);
		r = pid < 0 ? -errno : 0;
	}
	if (r < 0)
		(void)say(socket, ENTER_STEP_OWN_PIDS, r);
	_exit(r < 0);
}

/* --- in the enterer --- */

/* The word, and who sent it, by the kernel's word.  0, -ECHILD: they all ended without one; -errno.
 */
static int hear(int socket, struct word *word, pid_t *sender)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { word, sizeof(*word) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct ucred credentials = { 0 };
	ssize_t n;

	do {
		n = recvmsg(socket, &message, 0);
	} while (n < 0 && errno == EINTR);
	const struct cmsghdr *c = n == sizeof(*word) ? CMSG_FIRSTHDR(&message) : NULL;

	if (n < 0)
		return -errno;
	if (!c || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof(credentials)))
		return -ECHILD;
	memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
	*sender = credentials.pid;
	return 0;
}

/*
 * Opens the pid namespace of a process that says that it is the new one's init: it must be a child
 * of ours (then its pid is not given to another one before we take its status), and in another
 * namespace than the victim.
 */
static int open_namespace(const struct enter_plan *plan, pid_t init)
{
	char path[40];
	struct stat new, victims;
	siginfo_t info;

	if (waitid(P_PID, (id_t)init, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)init);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	int victims_fd = plan->ns_fd[ENTER_NS_PID];
	if (fd < 0 || fstat(fd, &new) < 0 ||
	    (victims_fd >= 0 ? fstat(victims_fd, &victims) : stat("/proc/self/ns/pid", &victims)) <
		    0)
		return -errno;
	if (new.st_ino == victims.st_ino &&new.st_dev == victims.st_dev)
		return -EPERM;
	return fd_steal(&fd);
}

/*
 * Makes a pid namespace below the plan's, and its init, which is the caller's child: it does
 * nothing, has the victim's ids and no capability, and ends with the caller.  To be called on the
 * host, as root, before the caller enters.  0: *ret_fd can take the place of the plan's pid
 * namespace; kill(*ret_init, SIGKILL) ends all that is in it, and all of it has ended when the init
 * can be waited for. -errno, and *ret_step tells in which step.  Other children of ours may have to
 * be waited for. See: pid_namespaces(7).
 */
int delegate_namespace_make(const struct enter_plan *plan, pid_t *ret_init, int *ret_fd,
			    enum enter_step *ret_step)
{
	static const int on = 1;
	struct word word = { 0 };
	pid_t init = 0;
	int sockets[2];

	*ret_step = ENTER_STEP_OWN_PIDS;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	cleanup_fd int ours = sockets[0];
	cleanup_fd int theirs = sockets[1];
	if (setsockopt(ours, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		found(plan, theirs);
	fd_close(&theirs);
	int r = hear(ours, &word, &init);
	if (r < 0)
		return r;
	if (word.error != 0) {
		*ret_step = word.step < ENTER_STEP_COUNT ? (enum enter_step)word.step : *ret_step;
		return word.error < 0 ? word.error : -EPROTO;
	}
	int fd = open_namespace(plan, init);
	if (fd < 0)
		return fd;
	*ret_init = init;
	*ret_fd = fd;
	return 0;
}
