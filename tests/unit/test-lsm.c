// SPDX-License-Identifier: MIT
/* common/lsm.c: labels as AppArmor and SELinux write them, with files in place of the kernel's. */
#include "lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

static void test_parse(void **state)
{
	static const struct {
		enum lsm lsm;
		const char *text, *label;
	} rows[] = {
		{ LSM_APPARMOR, "docker-default (enforce)\n", "docker-default" },
		{ LSM_APPARMOR, "unconfined\n", "unconfined" },
		{ LSM_APPARMOR, "a b (complain)", "a b" },
		{ LSM_APPARMOR, "lxc-x_</var/lib/lxc>//&:lxc-x:unconfined (mixed)\n",
		  "lxc-x_</var/lib/lxc>//&:lxc-x:unconfined" },
		{ LSM_APPARMOR, "name(x)", "name(x)" },
		{ LSM_SELINUX, "system_u:system_r:container_t:s0:c1,c2",
		  "system_u:system_r:container_t:s0:c1,c2" },
		{ LSM_SELINUX, "a:b:c (enforce)\n", "a:b:c (enforce)" },
		{ LSM_APPARMOR, "", NULL },
		{ LSM_APPARMOR, "\n", NULL },
		{ LSM_APPARMOR, " (enforce)\n", NULL },
		{ LSM_APPARMOR, "a\nexec b (enforce)\n", NULL },
		{ LSM_SELINUX, "a\x7f", NULL },
		{ LSM_SELINUX, "a\x1b[2J", NULL },
	};
	char label[ENTER_LABEL_SIZE], *text = malloc(ENTER_LABEL_SIZE + 16);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = lsm_parse_label(rows[i].lsm, rows[i].text, strlen(rows[i].text), label);

		assert_int_equal(r, rows[i].label ? 0 : -EINVAL);
		if (r == 0)
			assert_string_equal(label, rows[i].label);
	}
	assert_int_equal(lsm_parse_label(LSM_SELINUX, "a:b\0", 4, label), 0);
	assert_string_equal(label, "a:b");
	assert_int_equal(lsm_parse_label(LSM_SELINUX, "a\0b", 3, label), -EINVAL);
	memset(text, 'a', ENTER_LABEL_SIZE);
	assert_int_equal(lsm_parse_label(LSM_SELINUX, text, ENTER_LABEL_SIZE - 1, label), 0);
	assert_int_equal(lsm_parse_label(LSM_SELINUX, text, ENTER_LABEL_SIZE, label), -E2BIG);
	free(text);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (char *slash = strchr(path + strlen(dir) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	assert_int_equal(file_create_at(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

static void make_dir(char dir[32])
{
	strcpy(dir, "/tmp/test-lsm.XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void remove_dir(const char *dir)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void test_find(void **state)
{
	char dir[32];

	(void)state;
	make_dir(dir);
	assert_int_equal(lsm_find(dir), LSM_NONE);
	put(dir, "fs/selinux/enforce", "0");
	assert_int_equal(lsm_find(dir), LSM_SELINUX);
	put(dir, "module/apparmor/parameters/enabled", "Y\n");
	assert_int_equal(lsm_find(dir), LSM_APPARMOR);
	remove_dir(dir);

	make_dir(dir);
	put(dir, "module/apparmor/parameters/enabled", "N\n");
	assert_int_equal(lsm_find(dir), LSM_NONE);
	remove_dir(dir);
}

/* AppArmor has a file of its own beside other LSMs' where the kernel is new enough. */
static void test_read(void **state)
{
	char dir[32], label[ENTER_LABEL_SIZE];

	(void)state;
	make_dir(dir);
	int fd = open(dir, O_PATH | O_DIRECTORY);
	assert_int_equal(lsm_read_label(LSM_APPARMOR, fd, label), -ENOENT);
	put(dir, "attr/current", "old (enforce)\n");
	assert_int_equal(lsm_read_label(LSM_APPARMOR, fd, label), 0);
	assert_string_equal(label, "old");
	put(dir, "attr/apparmor/current", "own (enforce)\n");
	assert_int_equal(lsm_read_label(LSM_APPARMOR, fd, label), 0);
	assert_string_equal(label, "own");
	assert_int_equal(lsm_read_label(LSM_SELINUX, fd, label), 0);
	assert_string_equal(label, "old (enforce)");
	close(fd);
	remove_dir(dir);
}

/* What the kernel would be told, in one write. */
static void test_change(void **state)
{
	char text[64];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_DIRECT), 0);
	assert_int_equal(lsm_change(fds[1], LSM_APPARMOR, "docker-default"), 0);
	assert_int_equal(read(fds[0], text, sizeof(text)), 28);
	assert_memory_equal(text, "changeprofile docker-default", 28);
	assert_int_equal(lsm_change(fds[1], LSM_SELINUX, "a:b:c"), 0);
	assert_int_equal(read(fds[0], text, sizeof(text)), 6);
	assert_memory_equal(text, "a:b:c", 6);
	assert_int_equal(lsm_change(fds[0], LSM_SELINUX, "a:b:c"), -EBADF);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
