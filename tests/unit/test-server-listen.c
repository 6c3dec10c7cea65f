// SPDX-License-Identifier: MIT
/*
 * Addresses to listen on, and users to run as, as the operator writes them.
 */
#include <errno.h>

#include "../../host-helper/server/listen.h"
#include "../../host-helper/server/privileges.h"
#include "test.h"

static void test_listen_refused(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		":",
		":8042",
		"*:8042",
		"8042",
		"localhost:8042",
		"10.0.3.1:",
		"10.0.3.1:65536",
		"10.0.3.1:-1",
		"10.0.3.1:+1",
		"10.0.3.1: 1",
		"10.0.3.1:80x",
		"10.0.3.1:80:80",
		"10.0.3.1 :80",
		"10.0.3:80",
		"010.0.3.1:80",
		"10.0.3.256",
		"10.0.3.1/24",
		"::1",
		"::1:8042",
		"[::1",
		"[::1:8042",
		"[]:8042",
		"[::1]8042",
		"[::1]:",
		"[::1]:99999",
		"[10.0.3.1]:80",
		"[fe80::1%lo]:80",
		"[::1]]:80",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111111:1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		union listen_address address = { 0 };

		assert_int_equal(listen_parse(rows[i], &address), -EINVAL);
		assert_int_equal(address.any.sa_family, 0);
	}
}

static void test_listen_taken(void **state)
{
	static const struct {
		const char *text, *is;
	} rows[] = {
		{ "10.0.3.1", "10.0.3.1:8042" },    { "10.0.3.1:80", "10.0.3.1:80" },
		{ "0.0.0.0:0", "0.0.0.0:0" },	    { "255.255.255.255:65535", NULL },
		{ "[::1]", "[::1]:8042" },	    { "[::]:80", "[::]:80" },
		{ "[FD00:0::1]:1", "[fd00::1]:1" }, { "[::ffff:10.0.3.1]:80", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		union listen_address address;
		char text[LISTEN_TEXT_SIZE];

		assert_int_equal(listen_parse(rows[i].text, &address), 0);
		listen_format(&address.any, text);
		assert_string_equal(text, rows[i].is ? rows[i].is : rows[i].text);
	}
}

static void test_user(void **state)
{
	static const struct {
		const char *text;
		int result;
		uid_t uid;
		gid_t gid;
		bool gid_given;
	} rows[] = {
		{ "", -EINVAL, 0, 0, false },
		{ ":", -EINVAL, 0, 0, false },
		{ "1:", -EINVAL, 0, 0, false },
		{ ":1", -EINVAL, 0, 0, false },
		{ "-1", -EINVAL, 0, 0, false },
		{ "1:2:3", -EINVAL, 0, 0, false },
		{ "1:x", -EINVAL, 0, 0, false },
		{ "coreferry", -EINVAL, 0, 0, false },
		{ "4294967295", -ERANGE, 0, 0, false },
		{ "1:4294967295", -ERANGE, 0, 0, false },
		{ "4294967296", -ERANGE, 0, 0, false },
		{ "11111111111111111111", -EINVAL, 0, 0, false },
		{ "12345", 0, 12345, 0, false },
		{ "12345:678", 0, 12345, 678, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct privileges_user user = { 7, 7 };
		bool given = false;

		assert_int_equal(privileges_parse(rows[i].text, &user, &given), rows[i].result);
		if (rows[i].result < 0) {
			assert_int_equal(user.uid, 7);
			continue;
		}
		assert_int_equal(user.uid, rows[i].uid);
		assert_int_equal(user.gid, rows[i].gid);
		assert_int_equal(given, rows[i].gid_given);
	}
}

static void test_user_is_never_root(void **state)
{
	static const char *const rows[] = { "root", "0", "0:0", "0:1000", "1000:0" };
	struct privileges_user user = { 7, 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(privileges_find(rows[i], &user), -EPERM);
	assert_int_equal(privileges_find("no-such-user-here", &user), -ENOENT);
	assert_int_equal(user.uid, 7);
	assert_int_equal(privileges_find("61234:61235", &user), 0);
	assert_int_equal(user.gid, 61235);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_refused),
		cmocka_unit_test(test_listen_taken),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_user_is_never_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
