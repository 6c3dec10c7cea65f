// SPDX-License-Identifier: MIT
/* container-agent/file-name.c: which path a core file gets. */
#include "../../container-agent/file-name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static void expect(const char *url, const char *path)
{
	cleanup_free char *made = NULL;
	char error[FILE_NAME_ERROR_SIZE] = "";

	assert_int_equal(file_name_make(url, ID, &made, error), path ? 0 : -EINVAL);
	if (path)
		assert_string_equal(made, path);
	else
		assert_true(*error && !strpbrk(error, "\r\n\x1b"));
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"file:",       "file://",      "file://host/etc/shadow", "file://host",
		"file:core.%", "file:core.%z", "file:core.%d\n",	 "file:core.\x1b%",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect(bad[i], NULL);
	char *longest = calloc(1, 5000);
	assert_non_null(longest);
	memset(longest, 'a', 4999);
	memcpy(longest, "file:", 5);
	expect(longest, NULL);
	longest[4096 + 4] = '\0'; /* with its NUL just as long as a path may be */
	expect(longest, longest + 5);
	free(longest);
}

/* What the victim calls itself stays within one component, as in the kernel. */
static void test_values(void **state)
{
	static const struct {
		const char *value, *path;
	} rows[] = {
		{ "../../etc/cron.d/x", "/c/..!..!etc!cron.d!x" },
		{ "..", "/c/!." },
		{ ".", "/c/!" },
		{ "", "/c/!" },
		{ "/", "/c/!" },
		{ "...", "/c/..." },
		{ "a\nb\x1b\xff", "/c/a\nb\x1b\xff" },
		{ "%p%%", "/c/%p%%" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setenv("CORE_COMM", rows[i].value, 1);
		expect("file:/c/%e", rows[i].path);
	}
	unsetenv("CORE_COMM");
	expect("file:/c/%e", "/c/!");
	setenv("CORE_COMM", "..", 1);
	expect("file:/c/a%e", "/c/a!.");
}

static void test_specifiers(void **state)
{
	(void)state;
	setenv("CORE_COMM", "osmo-bsc", 1);
	setenv("CORE_EXE", "/usr/bin/osmo-bsc", 1);
	setenv("CORE_PID", "7", 1);
	setenv("CORE_HOST_PID", "4166", 1);
	setenv("CORE_TID", "4167", 1);
	setenv("CORE_UID", "1000", 1);
	setenv("CORE_GID", "100", 1);
	setenv("CORE_SIGNAL", "11", 1);
	setenv("CORE_HOSTNAME", "h", 1);
	expect("file:core", "core");
	expect("FILE:core", "core");
	expect("file:/a/core.%e.%p", "/a/core.osmo-bsc.7");
	expect("file:///a/%E", "/a/!usr!bin!osmo-bsc");
	expect("file://localhost/a/%f", "/a/osmo-bsc");
	expect("file:%%.%P.%I.%u.%g.%s.%t.%h.%i", "%.4166.4167.1000.100.11.1795228673.h." ID);
	expect("file:/a/", "/a/" ID ".core");
	expect("file:../core", "../core");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_specifiers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
