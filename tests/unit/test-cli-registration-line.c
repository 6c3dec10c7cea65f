// SPDX-License-Identifier: MIT
/*
 * The line for core_pattern: what the kernel would split, expand or cut is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../host-helper/cli/registration-line.h"

#define HELPER "/usr/lib/coreferry/coreferry-helper"

static char line[REGISTRATION_LINE_SIZE];
static char error[REGISTRATION_ERROR_SIZE];

static void test_lines_are_built(void **state)
{
	const char *const delegate[] = { "/opt/bin/up.sh", "s3://b/", "%P", "%%", NULL };
	static const struct {
		const char *config;
		bool delegate;
		const char *expected;
	} rows[] = {
		{ NULL, false, "|" HELPER " " CORE_PATTERN_ARGUMENTS },
		{ "/etc/c.conf", false, "|" HELPER " -C /etc/c.conf " CORE_PATTERN_ARGUMENTS },
		{ NULL, true,
		  "|" HELPER " " CORE_PATTERN_ARGUMENTS " /opt/bin/up.sh s3://b/ %P %%" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
			registration_line_build(
				HELPER, rows[i].config,
				rows[i].delegate ? (char *const *)(uintptr_t)delegate : NULL, line,
				error),
			0);
		assert_string_equal(line, rows[i].expected);
	}
}

static void test_hostile_parts_are_refused(void **state)
{
	static const struct {
		const char *helper, *config, *argument, *expected;
	} rows[] = {
		{ "coreferry-helper", NULL, NULL, "absolute" },
		{ "", NULL, NULL, "absolute" },
		{ "/opt/my tools/h", NULL, NULL, "space" },
		{ "/opt/h\n", NULL, NULL, "space" },
		{ "/opt/h\t", NULL, NULL, "space" },
		{ "/opt/h\x7f", NULL, NULL, "space" },
		{ "/opt/\xc3\xa0/h", NULL, NULL, "0xa0" }, /* à: the kernel's isspace(0xa0) */
		{ "/opt/%P/h", NULL, NULL, "'%'" },
		{ HELPER, "c.conf", NULL, "absolute" },
		{ HELPER, "/etc/c c.conf", NULL, "space" },
		{ HELPER, "/etc/%e.conf", NULL, "'%'" },
		{ HELPER, NULL, "", "absolute" },
		{ HELPER, NULL, "up.sh", "absolute" },
		{ HELPER, NULL, "/two words", "space" },
		{ HELPER, NULL, "/x\x1b[31m", "space" },
		{ HELPER, NULL, "/x\ny", "space" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *delegate[] = { (char *)(uintptr_t)rows[i].argument, NULL };

		snprintf(line, sizeof(line), "untouched");
		assert_int_equal(registration_line_build(rows[i].helper, rows[i].config, delegate,
							 line, error),
				 -EINVAL);
		assert_non_null(strstr(error, rows[i].expected));
		assert_string_equal(line, "untouched");
	}
}

static void test_hostile_arguments_are_refused(void **state)
{
	static const char *const rows[] = {
		"", "two words", "x\ty", "x\ny", "x\x1b[31m", "\xc3\xa0"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *delegate[] = { (char *)(uintptr_t) "/up", (char *)(uintptr_t)rows[i], NULL };

		assert_int_equal(registration_line_build(HELPER, NULL, delegate, line, error),
				 -EINVAL);
		assert_non_null(strstr(error, "delegate's argument"));
	}
}

/* One delegate of a length that makes the whole line `total` characters long. */
static int build_of_length(size_t total)
{
	char argument[512];
	char *delegate[] = { argument, NULL };
	size_t others = strlen("|" HELPER " " CORE_PATTERN_ARGUMENTS " ");

	memset(argument, 'x', sizeof(argument));
	argument[0] = '/';
	argument[total - others] = '\0';
	return registration_line_build(HELPER, NULL, delegate, line, error);
}

static void test_length_ends_where_the_kernel_cuts(void **state)
{
	char expected[64];

	(void)state;
	assert_int_equal(build_of_length(CORE_PATTERN_MAX), 0);
	assert_int_equal(strlen(line), CORE_PATTERN_MAX);

	for (size_t total = CORE_PATTERN_MAX + 1; total <= 400; total += 91) {
		assert_int_equal(build_of_length(total), -E2BIG);
		snprintf(expected, sizeof(expected), "%zu characters", total);
		assert_non_null(strstr(error, expected));
		snprintf(expected, sizeof(expected), "by %zu or more", total - CORE_PATTERN_MAX);
		assert_non_null(strstr(error, expected));
		assert_non_null(strstr(error, "helper's path (35)"));
		assert_non_null(strstr(error, "delegate and its arguments"));
		assert_null(strstr(error, "configuration"));
	}
	/* A path that alone is longer than what an error message takes. */
	char path[2000] = "/";
	memset(path + 1, 'x', sizeof(path) - 2);
	assert_int_equal(registration_line_build(path, path, NULL, line, error), -E2BIG);
	assert_non_null(strstr(error, "configuration's path (1999)"));
}

static void test_lines_are_recognised(void **state)
{
	static const struct {
		const char *pattern, *helper, *config;
		bool is_ours, is_handler;
	} rows[] = {
		{ "", NULL, NULL, false, false },
		{ "core", NULL, NULL, false, false },
		{ "coreferry-helper", NULL, NULL, false, false },
		{ "|", NULL, NULL, false, true },
		{ "| /x/coreferry-helper", NULL, NULL, false, true },
		{ "@/run/systemd/coredump", NULL, NULL, false, true },
		{ "|/usr/share/apport/apport -p%p", "/usr/share/apport/apport", NULL, false, true },
		{ "|/x/coreferry-helper2 %P", "/x/coreferry-helper2", NULL, false, true },
		{ "|/coreferry-helper/sh %P", "/coreferry-helper/sh", NULL, false, true },
		{ "|/bin/sh /x/coreferry-helper", "/bin/sh", NULL, false, true },
		{ "|/x/coreferry-helper", "/x/coreferry-helper", NULL, true, true },
		{ "|/x/coreferry-helper -C", "/x/coreferry-helper", NULL, true, true },
		{ "|/x/coreferry-helper -C ", "/x/coreferry-helper", NULL, true, true },
		{ "|/x/coreferry-helper %P %u %g -C /e", "/x/coreferry-helper", NULL, true, true },
		{ "|/x/coreferry-helper -C /e/c -s%s", "/x/coreferry-helper", "/e/c", true, true },
		{ "|/bin/sh -C /e/c -s%s", "/bin/sh", NULL, false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char found[REGISTRATION_LINE_SIZE];

		assert_int_equal(registration_line_is_coreferry(rows[i].pattern), rows[i].is_ours);
		assert_int_equal(registration_line_is_handler(rows[i].pattern), rows[i].is_handler);
		assert_int_equal(registration_line_helper(rows[i].pattern, found),
				 rows[i].helper != NULL);
		if (rows[i].helper)
			assert_string_equal(found, rows[i].helper);
		assert_int_equal(registration_line_config(rows[i].pattern, found),
				 rows[i].config != NULL);
		if (rows[i].config)
			assert_string_equal(found, rows[i].config);
	}
}

static void test_what_is_built_is_recognised(void **state)
{
	char config[REGISTRATION_LINE_SIZE];

	(void)state;
	assert_int_equal(registration_line_build(HELPER, "/e/c.conf", NULL, line, error), 0);
	assert_true(registration_line_is_coreferry(line));
	assert_true(registration_line_config(line, config));
	assert_string_equal(config, "/e/c.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_built),
		cmocka_unit_test(test_hostile_parts_are_refused),
		cmocka_unit_test(test_hostile_arguments_are_refused),
		cmocka_unit_test(test_length_ends_where_the_kernel_cuts),
		cmocka_unit_test(test_lines_are_recognised),
		cmocka_unit_test(test_what_is_built_is_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
