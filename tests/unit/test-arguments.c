// SPDX-License-Identifier: MIT
/* host-helper/helper/arguments.c: what kernels old and new write, and what hands type. */
#include "../../host-helper/helper/arguments.h"

#include <errno.h>
#include <string.h>

#include "test.h"

#define ARGV_MAX 16

static int parse(const char *const *words, struct arguments *a, char error[ARGUMENTS_ERROR_SIZE])
{
	static char copies[ARGV_MAX][64];
	static char *argv[ARGV_MAX + 1];
	int argc = 1;

	argv[0] = copies[0];
	for (; words[argc - 1]; argc++) {
		strcpy(copies[argc], words[argc - 1]);
		argv[argc] = copies[argc];
	}
	argv[argc] = NULL;
	error[0] = '\0';
	return arguments_parse(argc, argv, a, error);
}

static void test_keep_house(void **state)
{
	static const char *const words[] = { "--keep-house", "-C", "/x", NULL };
	char error[ARGUMENTS_ERROR_SIZE];
	struct arguments a;

	(void)state;
	assert_int_equal(parse(words, &a, error), 0);
	assert_int_equal(a.action, ARGUMENTS_HOUSE);
	assert_string_equal(a.config_file, "/x");
}

static void test_bad(void **state)
{
	static const struct {
		const char *words[6];
		const char *error;
	} rows[] = {
		{ { NULL }, "pid (%P): missing" },
		{ { "1", NULL }, "uid (%u): missing" },
		{ { "1", "2", NULL }, "gid (%g): missing" },
		{ { "x", "2", "3", NULL }, "pid (%P): not a number that fits: 'x'" },
		{ { "0", "2", "3", NULL }, "pid (%P): not a number that fits: '0'" },
		{ { "1 ", "2", "3", NULL }, "pid (%P): not a number that fits: '1 '" },
		{ { "1", "2\x1b[", "3", NULL }, "uid (%u): not a number that fits: '2?['" },
		{ { "1", "2", "4294967296", NULL },
		  "gid (%g): not a number that fits: '4294967296'" },
		{ { "2147483648", "2", "3", NULL },
		  "pid (%P): not a number that fits: '2147483648'" },
		{ { "-sx", "1", "2", "3", NULL }, "signal (%s): not a number that fits: 'x'" },
		{ { "-d3", "1", "2", "3", NULL }, "dump mode (%d): not a number that fits: '3'" },
		{ { "-x", "1", "2", "3", NULL }, "unknown option '-x'" },
		{ { "-\x1b", "1", "2", "3", NULL }, "unknown option '-?'" },
		{ { "-C", NULL }, "-C: wants a file" },
		{ { "--", "1", "2", "3", NULL }, "unknown option '--'" },
		{ { "--keep-house", "1", "2", "3", NULL },
		  "--keep-house: wants nothing but -C FILE" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arguments a;
		char error[ARGUMENTS_ERROR_SIZE];

		assert_int_equal(parse(rows[i].words, &a, error), -EINVAL);
		assert_string_equal(error, rows[i].error);
	}
}

static void test_minimum(void **state)
{
	static const char *const words[] = { "4166", "1000", "4294967294", NULL };
	struct arguments a;
	char error[ARGUMENTS_ERROR_SIZE];

	(void)state;
	assert_int_equal(parse(words, &a, error), 0);
	assert_int_equal(a.pid, 4166);
	assert_int_equal(a.gid, 4294967294U);
	assert_false(a.has_signal || a.has_dump_mode || a.has_tid || a.has_pidfd);
	assert_null(a.delegate[0]);
}

/* An older kernel puts nothing where it does not know %F: the next option is not its value. */
static void test_empty_values(void **state)
{
	static const char *const words[] = { "-F", "-s11", "-i", "-h", "1", "2", "3", NULL };
	struct arguments a;
	char error[ARGUMENTS_ERROR_SIZE];

	(void)state;
	assert_int_equal(parse(words, &a, error), 0);
	assert_false(a.has_pidfd || a.has_tid);
	assert_true(a.has_signal);
	assert_int_equal(a.signal, 11);
	assert_null(a.hostname);
}

static void test_delegate(void **state)
{
	static const char *const words[] = { "-C", "/c",  "-ha b", "-c18446744073709551615",
					     "1",  "2",	  "3",	   "/opt/up.sh",
					     "-s", "one", "1",	   NULL };
	struct arguments a;
	char error[ARGUMENTS_ERROR_SIZE];

	(void)state;
	assert_int_equal(parse(words, &a, error), 0);
	assert_string_equal(a.config_file, "/c");
	assert_string_equal(a.hostname, "a b");
	assert_int_equal(a.rlimit_core, UINT64_MAX);
	assert_false(a.has_signal); /* -s behind the numbers is the delegate's */
	assert_string_equal(a.delegate[0], "/opt/up.sh");
	assert_string_equal(a.delegate[1], "-s");
	assert_string_equal(a.delegate[3], "1");
	assert_null(a.delegate[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_house), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_minimum),	   cmocka_unit_test(test_empty_values),
		cmocka_unit_test(test_delegate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
