// SPDX-License-Identifier: MIT
/*
 * Places to listen at, as an operator writes them, and what a service manager passes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../host-helper/server/listener.h"
#include "test.h"

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"ftp://127.0.0.1:80",
		"https://",
		"https://localhost:1",
		"HTTPS://127.0.0.1:1",
		"https://127.0.0.1:1/path",
		"unix:",
		"unix:/",
		"unix:x",
		"unix:@x",
		"unix:/x/",
		"unix:/x,",
		"unix:/x,mode=",
		"unix:/x,mode=8",
		"unix:/x,mode=0770",
		"unix:/x,mode=01660",
		"unix:/x,mode=066 0",
		"unix:/x,mode=-660",
		"unix:/x,group=",
		"unix:/x,user=root",
		"unix:/x,mode=0660,group=a,",
		"unix:/x,group=0123456789012345678901234567890123456789012345678901234567890123",
		"unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345"
		"678901234567890123456789012345678",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct listener listener = { .fd = 7 };

		assert_int_equal(listener_parse(rows[i], &listener), -EINVAL);
		assert_int_equal(listener.fd, 7);
	}
}

static void test_taken(void **state)
{
	struct listener l;

	(void)state;
	assert_int_equal(listener_parse("127.0.0.1:80", &l), 0);
	assert_true(!l.tls && !l.is_unix && l.fd == -1);
	assert_int_equal(ntohs(l.address.v4.sin_port), 80);
	assert_int_equal(listener_parse("http://[::1]:81", &l), 0);
	assert_true(!l.tls && ntohs(l.address.v6.sin6_port) == 81);
	assert_int_equal(listener_parse("https://127.0.0.1", &l), 0);
	assert_true(l.tls && ntohs(l.address.v4.sin_port) == 8042);
	assert_int_equal(listener_parse("unix:/run/a b", &l), 0);
	assert_string_equal(l.path, "/run/a b");
	assert_true(l.is_unix && l.mode == 0660 && !l.group[0]);
	assert_int_equal(listener_parse("unix:/x,mode=600,group=adm", &l), 0);
	assert_string_equal(l.path, "/x");
	assert_string_equal(l.group, "adm");
	assert_int_equal(l.mode, 0600);
}

static void test_list(void **state)
{
	struct listeners listeners = { .count = 0 };
	char error[LISTENER_ERROR_SIZE] = "";

	(void)state;
	assert_int_equal(listeners_add(&listeners, " 127.0.0.1:1\thttps://127.0.0.1:2 ", error), 0);
	assert_int_equal(listeners.count, 2);
	assert_int_equal(listeners_add(&listeners, "127.0.0.1:3 x\x1b", error), -EINVAL);
	assert_non_null(strstr(error, "not an address"));
	for (int i = 0; i < LISTENERS_MAX - 3; i++)
		assert_int_equal(listeners_add(&listeners, "127.0.0.1:4", error), 0);
	assert_int_equal(listeners_add(&listeners, "127.0.0.1:5", error), -E2BIG);
	listeners_close(&listeners);
}

static void test_passed(void **state)
{
	static const struct {
		const char *pid, *fds;
		int is;
		unsigned count;
	} rows[] = {
		{ NULL, NULL, 0, 0 },	    { NULL, "1", 0, 0 },	{ "42", NULL, 0, 0 },
		{ "41", "3", 0, 0 },	    { "42", "3", 0, 3 },	{ "42", "0", 0, 0 },
		{ "42", "-1", -EINVAL, 0 }, { "42x", "1", -EINVAL, 0 }, { "", "1", -EINVAL, 0 },
		{ "42", "99", -E2BIG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned count = 9;

		assert_int_equal(listener_parse_passed(rows[i].pid, rows[i].fds, 42, &count),
				 rows[i].is);
		assert_int_equal(count, rows[i].count);
	}
}

static void test_unix(void **state)
{
	char directory[] = "/tmp/test-listener.XXXXXX", text[128];
	struct listener first, second;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(text, sizeof(text), "unix:%s/s,mode=0600", directory);
	assert_int_equal(listener_parse(text, &first), 0);
	second = first;
	assert_int_equal(listener_open_unix(&first, getegid()), 0);
	assert_int_equal(stat(first.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(listener_open_unix(&second, getegid()), -EADDRINUSE);
	close(first.fd);
	assert_int_equal(listener_open_unix(&second, getegid()), 0);
	close(second.fd);
	unlink(second.path);
	snprintf(second.group, sizeof(second.group), "no-such-group");
	assert_int_equal(listener_open_unix(&second, getegid()), -ENOENT);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_taken),
		cmocka_unit_test(test_list),	cmocka_unit_test(test_passed),
		cmocka_unit_test(test_unix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
