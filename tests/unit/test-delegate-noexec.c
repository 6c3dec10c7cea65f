// SPDX-License-Identifier: MIT
/* host-helper/helper/delegate-child.c where vm.memfd_noexec=2 forbids to run a sealed copy: the
 * agent is the file itself, out of the container's sight; a delegate, whose init is not, is not
 * started. */
#include "../../host-helper/helper/delegate-child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../host-helper/helper/delegate-run.h"
#include "fd.h"
#include "test.h"

#define NOEXEC "/proc/sys/vm/memfd_noexec"

struct word {
	uint32_t step;
	int32_t error;
};

/* In a pid namespace whose setting it is.  Returns the status of what the child became. */
static int run(delegate_child_fn fn, struct delegate_child *child, struct word *word)
{
	int fds[2], status;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(101);
		pid_t inner = fork();
		if (inner == 0) {
			cleanup_fd int setting = open(NOEXEC, O_WRONLY | O_CLOEXEC);

			if (write(setting, "2", 1) != 1)
				_exit(102);
			fn(child, fds[1]);
		}
		if (waitpid(inner, &status, 0) != inner || !WIFEXITED(status))
			_exit(103);
		_exit(WEXITSTATUS(status));
	}
	close(fds[1]);
	*word = (struct word){ 0 };
	(void)!read(fds[0], word, sizeof(*word));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_noexec(void **state)
{
	char program[] = "/bin/true";
	char *arguments[] = { program, NULL }, *environment[] = { NULL };
	struct enter_plan plan;
	struct delegate_child child = { .plan = &plan,
					.agent_path = "/bin/true",
					.arguments = arguments,
					.environment = environment };
	struct word word;

	(void)state;
	if (geteuid() != 0 || access(NOEXEC, F_OK) < 0) /* Linux 6.3 */
		skip();
	enter_plan_init(&plan);
	assert_int_equal(run(delegate_child_agent, &child, &word), 0);
	assert_int_equal(word.error, 0);
	assert_int_not_equal(run(delegate_child_program, &child, &word), 0);
	assert_int_equal(word.step, ENTER_STEP_PREPARE);
	assert_int_equal(word.error, -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noexec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
