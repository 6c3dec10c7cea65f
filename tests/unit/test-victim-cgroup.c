// SPDX-License-Identifier: MIT
/* host-helper/helper/victim-cgroup.c: what is joined, what is passed over, and what is the end. */
#include "../../host-helper/helper/victim-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "fd.h"
#include "test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char directory[PATH_MAX]; /* where cgroup v2 is mounted and can be written; "": nowhere */

static int find_v2(void **state)
{
	struct cgroup_line root = { "", "/" };
	cleanup_free char *mountinfo = NULL;
	struct cgroup_mount *mount = calloc(1, sizeof(*mount));
	size_t len;

	(void)state;
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/mountinfo", 4U << 20, &mountinfo, &len),
			 0);
	if (cgroup_find_mount(mountinfo, &root, mount) == 0 && geteuid() == 0 &&
	    access(mount->directory, W_OK) == 0)
		strcpy(directory, mount->directory);
	free(mount);
	return 0;
}

/* Pins a victim's cgroups by that text; other_pids: it has a pid namespace of its own. */
static int pin(const char *text, bool other_pids, struct victim *v)
{
	victim_init(v, -1);
	v->files[VICTIM_CGROUP].data = text ? strdup(text) : NULL;
	if (other_pids)
		v->plan.ns_fd[ENTER_NS_PID] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return victim_cgroup_pin(v);
}

static void test_nothing_to_join(void **state)
{
	static const struct {
		const char *text, *note; /* a part of it; NULL: none */
		int result;
	} rows[] = {
		{ NULL, NULL, -ESRCH },
		{ "0::/../x\n", NULL, -EINVAL },
		{ "0::/a/../../x\n", NULL, -EINVAL },
		{ "9:no-such-controller:/a\n", "not mounted", 0 },
		{ "0::/system.slice/cf-none.service\n", "systemd", 0 },
	};
	cleanup_free char *own = NULL;
	struct victim v;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(pin(rows[i].text, false, &v), rows[i].result);
		assert_int_equal(v.plan.cgroup_count, 0);
		if (rows[i].note)
			assert_non_null(strstr(v.note, rows[i].note));
		else
			assert_null(v.note);
		victim_close(&v);
	}
	/* Where we are ourselves, there is nothing to do. */
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/cgroup", 65536, &own, &len), 0);
	assert_int_equal(pin(own, true, &v), 0);
	assert_int_equal(v.plan.cgroup_count, 0);
	assert_null(v.note);
	victim_close(&v);
}

/* It is there no longer: passed over for a process of the host, not for any container's. */
static void test_gone(void **state)
{
	static const struct {
		const char *text;
		bool other_pids;
		int result;
	} rows[] = {
		{ "0::/cf-test-none/a\n", false, 0 },
		{ "0::/cf-test-none/a\n", true, -ENOENT },
		{ "0::/cf-test-none/a.service\n", true, -ENOENT },
		{ "0::/docker/" ID "\n", false, -ENOENT },
		{ "0::/system.slice/docker-" ID ".scope/a.service\n", false, -ENOENT },
	};
	struct victim v;

	(void)state;
	if (!*directory)
		skip(); /* no cgroup v2 that we may write */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(pin(rows[i].text, rows[i].other_pids, &v), rows[i].result);
		if (rows[i].result == 0)
			assert_non_null(strstr(v.note, "removed"));
		assert_int_equal(v.plan.cgroup_count, 0);
		victim_close(&v);
	}
}

static void test_joined(void **state)
{
	char path[PATH_MAX + 32];
	struct victim v;

	(void)state;
	if (!*directory)
		skip(); /* as above */
	snprintf(path, sizeof(path), "%s/cf-test-pin", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	int r = pin("0::/cf-test-pin\n", true, &v);
	pid_t pid = r == 0 && v.plan.cgroup_count == 1 ? fork() : -1;
	if (pid == 0) {
		cleanup_free char *text = NULL;
		size_t len;

		if (write(v.plan.cgroup_fd[0], "0", 1) != 1 ||
		    file_read_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, &len) < 0)
			_exit(1);
		_exit(strstr(text, "0::/cf-test-pin\n") ? 0 : 2);
	}
	int status = -1;
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	for (int i = 0; i < 100 && rmdir(path) < 0; i++)
		usleep(10000); /* its member is counted for a moment longer */
	assert_int_equal(r, 0);
	assert_int_equal(status, 0);
	assert_null(v.note);
	victim_close(&v);
}

/* Only the cgroup that an engine made for one container, and only when its victim is let go. */
static void test_tidy(void **state)
{
	static const struct {
		const char *name;
		bool held, removed;
	} rows[] = {
		{ "docker-" ID ".scope", false, true },
		{ "docker-" ID ".scope", true, false },
		{ "cf-test-tidy", false, false },
		{ "lxc.payload.cf-test-tidy", false, true },
	};
	char path[PATH_MAX + 128], text[128];
	struct victim v;

	(void)state;
	if (!*directory)
		skip(); /* as above */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, rows[i].name);
		snprintf(text, sizeof(text), "0::/%s\n", rows[i].name);
		assert_int_equal(mkdir(path, 0700), 0);
		int r = pin(text, true, &v);
		if (rows[i].held)
			v.pipe_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		victim_cgroup_tidy(&v);
		bool removed = rmdir(path) < 0 && errno == ENOENT;
		victim_close(&v);
		assert_int_equal(r, 0);
		assert_int_equal(removed, rows[i].removed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_join),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_joined),
		cmocka_unit_test(test_tidy),
	};

	return cmocka_run_group_tests(tests, find_v2, NULL);
}
