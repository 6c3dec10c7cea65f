// SPDX-License-Identifier: MIT
/*
 * What may be named in core_pattern: nothing that anybody but root could replace.  Needs root for
 * the rows with other owners.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../host-helper/cli/safe-path.h"
#include "fd.h"

/* Below a directory in which, for root, all parents are root's own and closed; /tmp never is. */
#define ROOT_PLACE "/run"

static char dir[64], file[96], link_path[96], error[SAFE_PATH_ERROR_SIZE];

static int make_tree(const char *place)
{
	snprintf(dir, sizeof(dir), "%s/test-cli-safe-path.XXXXXX", place);
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/program", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(chmod(file, 0755), 0);
	assert_int_equal(symlink(file, link_path), 0);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return make_tree(geteuid() == 0 ? ROOT_PLACE : "/tmp");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void expect(const char *path, enum safe_path_kind kind, int expected, const char *why)
{
	error[0] = '\0';
	assert_int_equal(safe_path_check(path, kind, NULL, error), expected);
	if (!strstr(error, why))
		fail_msg("'%s' does not hold '%s'", error, why);
}

static void test_a_program_of_roots(void **state)
{
	cleanup_free char *real = NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(safe_path_check(link_path, SAFE_PATH_PROGRAM, &real, error), 0);
	assert_string_equal(real, file);
	expect("bin/sh", SAFE_PATH_PROGRAM, -EPERM, "absolute");
	expect("/nowhere/x", SAFE_PATH_PROGRAM, -ENOENT, "/nowhere/x");
	expect(dir, SAFE_PATH_PROGRAM, -EPERM, "not a regular file");
	expect("/dev/null", SAFE_PATH_PROGRAM, -EPERM, "not a regular file");
	assert_int_equal(chmod(file, 0644), 0);
	expect(file, SAFE_PATH_PROGRAM, -EPERM, "not executable");
}

static void test_others_can_write_it(void **state)
{
	static const mode_t modes[] = { 0775, 0757, 0777 };

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		assert_int_equal(chmod(file, modes[i]), 0);
		expect(link_path, SAFE_PATH_PROGRAM, -EPERM, "others can write");
		expect(file, SAFE_PATH_FILE, -EPERM, "others can write");
		assert_int_equal(chmod(file, 0755), 0);

		assert_int_equal(chmod(dir, modes[i]), 0);
		expect(link_path, SAFE_PATH_PROGRAM, -EPERM, "others can write");
		expect(file, SAFE_PATH_FILE, -EPERM, "others can write");
		expect(dir, SAFE_PATH_DIRECTORY, -EPERM, "others can write");
		assert_int_equal(chmod(dir, 0755), 0);
	}
	assert_int_equal(chmod(dir, 01777), 0);
	expect(file, SAFE_PATH_PROGRAM, -EPERM, "sticky");
	expect(file, SAFE_PATH_FILE, 0, "");
	expect(dir, SAFE_PATH_DIRECTORY, -EPERM, "sticky");
}

static void test_another_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(file, 65534, 65534), 0);
	expect(link_path, SAFE_PATH_PROGRAM, -EPERM, "uid 65534");
	expect(file, SAFE_PATH_FILE, -EPERM, "uid 65534");
	assert_int_equal(chown(file, 0, 0), 0);
	assert_int_equal(chown(dir, 65534, 65534), 0);
	expect(file, SAFE_PATH_PROGRAM, -EPERM, "uid 65534");
	expect(dir, SAFE_PATH_DIRECTORY, -EPERM, "uid 65534");
}

static void test_below_tmp(void **state)
{
	(void)state;
	assert_int_equal(teardown(state), 0);
	assert_int_equal(make_tree("/tmp"), 0);
	assert_int_equal(safe_path_check(file, SAFE_PATH_PROGRAM, NULL, error), -EPERM);
	expect(file, SAFE_PATH_FILE, 0, "");
	expect(dir, SAFE_PATH_DIRECTORY, 0, "");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_program_of_roots),
		TEST(test_others_can_write_it),
		TEST(test_another_owner),
		TEST(test_below_tmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
