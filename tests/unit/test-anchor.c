// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/anchor.c: a place is entered again by the process that was recorded, and by no
 * other one, and only where that process still is.
 */
#include "../../host-helper/helper/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

/* A process in a uts and an ipc namespace of its own; with `moves` it goes on to others when the
 * pipe *ret_go is closed. */
static pid_t start(int *ret_go)
{
	int ready[2], go[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (unshare(CLONE_NEWUTS | CLONE_NEWIPC) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(go[0], &byte, 1);
		if (unshare(CLONE_NEWIPC) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	ret_go[0] = go[1];
	ret_go[1] = ready[0];
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void place_of(pid_t pid, struct anchor_place *place)
{
	struct enter_plan *plan = malloc(sizeof(*plan));
	const char *what;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	cleanup_fd int procfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enter_plan_init(plan);
	assert_int_equal(enter_plan_pin(plan, procfd, &what), 0);
	assert_int_equal(anchor_place_of_plan(plan, place), 0);
	enter_plan_close(plan);
	free(plan);
}

static int pin(const struct anchor *anchor, const struct anchor_place *place, bool expected)
{
	struct enter_plan *plan = malloc(sizeof(*plan));

	enter_plan_init(plan);
	int r = anchor_pin(anchor, place, plan);
	assert_int_equal(plan->root_fd >= 0, expected);
	assert_int_equal(plan->cwd_fd >= 0, expected);
	assert_int_equal(plan->ns_fd[ENTER_NS_UTS] >= 0, expected);
	assert_int_equal(plan->ns_fd[ENTER_NS_NET], -1); /* ours */
	enter_plan_close(plan);
	free(plan);
	return r;
}

static void test_anchor(void **state)
{
	struct anchor_place place, changed;
	struct anchor anchor, other;
	int go[2];
	char byte;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid_t pid = start(go);
	place_of(pid, &place);
	/* It is the only one there, and except for it there is none. */
	assert_false(anchor_find(&place, (uint32_t)pid, &anchor));
	assert_int_equal(anchor.pid, 0);
	assert_true(anchor_find(&place, 1, &anchor));
	assert_int_equal(anchor.pid, pid);
	assert_int_equal(pin(&anchor, &place, true), 0);

	/* Another process that has its pid; another root directory; another namespace. */
	other = anchor;
	other.start_time++;
	assert_int_equal(pin(&other, &place, false), -ESRCH);
	other = anchor;
	other.pid = (uint32_t)getpid();
	assert_int_equal(pin(&other, &place, false), -ESRCH);
	changed = place;
	changed.root_mount++;
	assert_int_equal(pin(&anchor, &changed, false), -ESRCH);
	changed = place;
	changed.ns[ENTER_NS_USER].ino++;
	assert_int_equal(pin(&anchor, &changed, false), -ESRCH);

	/* It moves. */
	close(go[0]);
	assert_int_equal(read(go[1], &byte, 1), 1);
	assert_int_equal(pin(&anchor, &place, false), -ESRCH);
	close(go[1]);
	end(pid);
	assert_int_equal(pin(&anchor, &place, false), -ESRCH);
}

/* The host's own place is pinned by its first process, with nothing to enter. */
static void test_own_place(void **state)
{
	struct anchor_place place;
	struct anchor anchor;

	(void)state;
	if (geteuid() != 0)
		skip();
	place_of(getpid(), &place);
	assert_true(anchor_find(&place, (uint32_t)getpid(), &anchor));
	struct enter_plan *plan = malloc(sizeof(*plan));
	enter_plan_init(plan);
	assert_int_equal(anchor_pin(&anchor, &place, plan), 0);
	for (int i = 0; i < ENTER_NS_COUNT; i++)
		assert_int_equal(plan->ns_fd[i], -1);
	enter_plan_close(plan);
	free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anchor),
		cmocka_unit_test(test_own_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
