// SPDX-License-Identifier: MIT
/*
 * How the agent gets from the host into the container.
 *
 * Called as root, on the host, with every library loaded already.  The plan comes from the helper,
 * our own program.  Nothing of the container is opened before enter_apply() has returned;
 * afterwards nothing of the container is ever loaded as code: it would run beyond its pid
 * namespace.
 */
#include "arrive.h"

#include <errno.h>
#include <nss.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "confine.h"
#include "enter.h"
#include "fd.h"
#include "log.h"

/* From <nss.h> of glibc, where it is not declared under every feature macro. */
extern int __nss_configure_lookup(const char *dbname, const char *string);

/* Names are looked up by what is built into glibc; other modules would be the container's files. */
static int pin_name_service(void)
{
	static const char *const databases[] = { "passwd",   "group",	  "shadow", "services",
						 "networks", "protocols", "ethers", "rpc" };

	for (size_t i = 0; i < sizeof(databases) / sizeof(*databases); i++)
		if (__nss_configure_lookup(databases[i], "files") < 0)
			return -errno;
	return __nss_configure_lookup("hosts", "files dns") < 0 ? -errno : 0;
}

static int read_plan(int plan_fd, struct enter_plan *plan)
{
	ssize_t n = fd_read_fill(plan_fd, plan, sizeof(*plan));

	if (n < 0)
		return (int)n;
	return (size_t)n == sizeof(*plan) && plan->magic == ENTER_PLAN_MAGIC ? 0 : -EPROTO;
}

/*
 * A push that goes on after its helper was killed starts in the root directory, as nobody keeps the
 * victim's own.  With the victim's rights it may go where that was; CORE_CWD stays set where it may
 * not.
 */
static void go_to_directory(void)
{
	const char *cwd = getenv("CORE_CWD");

	if (cwd && chdir(cwd) == 0)
		(void)unsetenv("CORE_CWD");
}

/* Ends with the helper, which alone can end it in time: behind the change of ids, which undoes it.
 */
static int end_with_helper(pid_t helper)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() == helper ? 0 : -ESRCH;
}

/*
 * Enters the victim's namespaces and takes its rights, by the plan that is read from plan_fd.
 * Afterwards 0 to 2 are the only descriptors.  0, or -errno after a message; then end at once.
 */
int arrive(int plan_fd)
{
	struct enter_plan plan;
	enum enter_step step = ENTER_STEP_PREPARE;
	pid_t helper = getppid();
	int r = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : read_plan(plan_fd, &plan);

	if (r == -EPROTO) {
		log_error("the helper that started this is of another version: install both anew");
		return r;
	}
	if (r == 0)
		r = pin_name_service();
	if (r == 0)
		r = enter_prepare(&plan);
	if (r == 0)
		r = enter_apply(&plan, false, &step);
	if (r < 0) {
		log_error("%s: %s", enter_step_name(step), strerror(-r));
		return r;
	}
	r = close_range(3, ~0U, 0) < 0 ? -errno : end_with_helper(helper);
	if (r == 0)
		go_to_directory();
	if (r == 0)
		r = confine();
	if (r < 0)
		log_error("confining itself: %s", strerror(-r));
	return r;
}
