// SPDX-License-Identifier: MIT
/* common/cgroup.c: only plain paths become ones that root opens. */
#include "cgroup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static const char mounts[] =
	"22 1 0:20 / /proc rw - proc proc rw\n"
	"30 1 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
	"31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
	"32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
	"33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	"34 30 0:30 /docker/a /mnt\\040x rw - cgroup cgroup rw,memory\n"
	"35 30 0:30 /docker/a /mnt/memory rw - cgroup cgroup rw,memory\n"
	"36 30 0:31 / /mnt/liar rw - fuse.cgroup cgroup rw,pids\n";

static void test_lines(void **state)
{
	const char *text = "11:cpu,cpuacct:/docker/a b\n2:name=systemd:/x:y/..z\n0::/\n";
	struct cgroup_line *line = calloc(1, sizeof(*line));

	(void)state;
	assert_int_equal(cgroup_next_line(&text, line), 1);
	assert_string_equal(line->controllers, "cpu,cpuacct");
	assert_string_equal(line->path, "/docker/a b");
	assert_int_equal(cgroup_next_line(&text, line), 1);
	assert_string_equal(line->controllers, "name=systemd");
	assert_string_equal(line->path, "/x:y/..z");
	assert_int_equal(cgroup_next_line(&text, line), 1);
	assert_string_equal(line->controllers, "");
	assert_string_equal(line->path, "/");
	assert_int_equal(cgroup_next_line(&text, line), 0);

	assert_true(cgroup_find_line("3:pids:/a\n0::/b\n", "", line));
	assert_string_equal(line->path, "/b");
	assert_false(cgroup_find_line("3:pids:/a\n", "", line));
	assert_false(cgroup_find_line("3:pids,x:/a\n", "pids", line));
	free(line);
}

static void test_lines_refused(void **state)
{
	static const char *const rows[] = {
		"\n",	      "0::",	       "0::a",	     "0::/..",	   "0::/../a",
		"0::/a/../b", "0::/a/..",      "0::/a/./b",  "0::/a//b",   "0::/a/",
		"0::/./a",    "0:pids:/a",     "1::/a",	     "x::/a",	   "-1:pids:/a",
		"1:pids",     "1:pids\n:/a\n", ":pids:/a\n", "1 :pids:/a", " 1:pids:/a",
	};
	struct cgroup_line *line = calloc(1, sizeof(*line));
	char *text = malloc(2 * PATH_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *row = rows[i];

		assert_int_equal(cgroup_next_line(&row, line), -EINVAL);
		assert_ptr_equal(row, rows[i]);
	}
	/* Longer than any path: refused, never cut. */
	for (size_t len = PATH_MAX - 1; len <= PATH_MAX; len++) {
		const char *row = text;

		strcpy(text, "0::/");
		memset(text + 4, 'a', len - 1);
		strcpy(text + 3 + len, "\n");
		assert_int_equal(cgroup_next_line(&row, line), len < PATH_MAX ? 1 : -EINVAL);
	}
	free(text);
	free(line);
}

static void test_mounts(void **state)
{
	static const struct {
		const char *line, *directory, *path;
	} rows[] = {
		{ "0::/", "/sys/fs/cgroup/unified", "." },
		{ "0::/a/b", "/sys/fs/cgroup/unified", "a/b" },
		{ "4:cpu,cpuacct:/a", "/sys/fs/cgroup/cpu,cpuacct", "a" },
		{ "4:name=systemd:/a", "/sys/fs/cgroup/systemd", "a" },
		{ "4:memory:/docker/a/b", "/mnt/memory", "b" },
		{ "4:memory:/docker/a", "/mnt/memory", "." },
		{ "4:memory:/docker/ab", NULL, NULL }, /* beside what is mounted */
		{ "4:memory:/", NULL, NULL },
		{ "4:pids:/a", NULL, NULL }, /* a file system that only says so */
		{ "4:acct:/a", NULL, NULL }, /* part of a name */
		{ "4:mode=755:/a", NULL, NULL },
		{ "4:nsdelegate:/a", NULL, NULL },
	};
	struct cgroup_line *line = calloc(1, sizeof(*line));
	struct cgroup_mount *mount = calloc(1, sizeof(*mount));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *text = rows[i].line;

		assert_int_equal(cgroup_next_line(&text, line), 1);
		int r = cgroup_find_mount(mounts, line, mount);
		assert_int_equal(r, rows[i].directory ? 0 : -ENOENT);
		if (r < 0)
			continue;
		assert_string_equal(mount->directory, rows[i].directory);
		assert_string_equal(mount->path, rows[i].path);
	}
	assert_int_equal(cgroup_find_mount("", line, mount), -ENOENT);
	assert_int_equal(cgroup_find_mount(" - cgroup\n - cgroup x pids\n1 2 - cgroup x pids\n",
					   line, mount),
			 -ENOENT);
	free(mount);
	free(line);
}

static void test_services(void **state)
{
	static const struct {
		const char *line;
		bool is;
	} rows[] = {
		{ "0::/system.slice/a.service", true },
		{ "0::/a.service/b", false },
		{ "0::/session-3.scope", false },
		{ "0::/", false },
	};
	struct cgroup_line *line = calloc(1, sizeof(*line));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *text = rows[i].line;

		assert_int_equal(cgroup_next_line(&text, line), 1);
		assert_int_equal(cgroup_is_service(line), rows[i].is);
	}
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_refused),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
