// SPDX-License-Identifier: MIT
/*
 * Giving up all rights: what every confined process of ours does before it handles a byte of
 * someone else's.  There is no way back, and nothing is kept that was not asked for.
 */
#include "drop.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Each process its own user: one that shared it could be stopped or slowed down by the others.  The
 * range is nobody's: below are those that containers are mapped to, above are the reserved ones.
 * See: UIDS-GIDS of systemd. */
#define FIRST_ID 0x7fb00000U
#define NOBODY	 65534U

/* A filter does not see paths: there must be nothing that one could lead to.  A directory that
 * nobody but us may look into, and that ends with us. */
static int leave_root(void)
{
	return chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0 ? -errno : 0;
}

static int take_id(unsigned id)
{
	return setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0
		       ? -errno
		       : 0;
}

/* Only root has an identity to give up: by hand, it stays the user's own. */
static int drop_identity(void)
{
	if (geteuid() != 0)
		return 0;
	int r = leave_root();
	if (r < 0)
		return r;
	r = take_id(FIRST_ID + (unsigned)getpid());
	/* Within a user namespace it may not be there. */
	return r == -EINVAL ? take_id(NOBODY) : r;
}

static int drop_rights(void)
{
	int r = drop_identity();

	if (r < 0)
		return r;
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != 0)
		return -EPERM;
	/* Other processes of that user must not reach us. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/*
 * Gives up user, groups, capabilities and the root directory; the process does not outlive its
 * parent.  A user other than root stays who he is, without capabilities.  0 or -errno.
 */
int drop_all(pid_t parent)
{
	int r = drop_rights();

	/* Behind the change of ids, which undoes it. */
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		r = -errno;
	return r == 0 && getppid() != parent ? -ESRCH : r;
}
