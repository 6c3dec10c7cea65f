// SPDX-License-Identifier: MIT
/* container-agent/endpoint.c: what is a URL to push to, and where a server may send us. */
#include "../../container-agent/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../container-agent/push-http.h"
#include "fd.h"
#include "test.h"

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"host/x",
		"file:///etc/shadow",
		"gopher://x/",
		"dict://x/",
		"ftp://x",
		"http:/x",
		"http:///x",
		"http://",
		"https:///etc/passwd",
		"http://x/\r\nHost: y",
		"http://x/ y",
		"http://x/\x7f",
		"http://x/?a=b",
		"http://x#f",
		"http://x/\xc3\xbc",
		"http://x:99999/",
		"http://[::1/",
		"http://%00/",
		"http://u%0d%0aX: y@x/",
		"http+unix://",
		"http+unix:///run/x.sock/path",
		"http+unix://run%2Fx.sock/path",
		"http+unix://%2Frun%00x/path",
		"http+unix://%2Frun%2/path",
		"https+unix://%2Frun%2Fx.sock/path",
	};
	char error[ENDPOINT_ERROR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct endpoint e = { 0 };

		error[0] = '\0';
		if (endpoint_parse(bad[i], false, &e, error) != -EINVAL)
			fail_msg("taken: '%s' as '%s'", bad[i], e.url ? e.url : "");
		assert_non_null(strstr(error, "not a URL"));
		assert_null(strpbrk(error, "\r\n\x7f"));
		assert_null(e.url);
	}
	cleanup_free char *longest = malloc(ENDPOINT_URL_MAX + 100);
	struct endpoint e = { 0 };
	memset(longest, 'a', ENDPOINT_URL_MAX + 99);
	longest[ENDPOINT_URL_MAX + 99] = '\0';
	memcpy(longest, "http://x/", 9);
	assert_int_equal(endpoint_parse(longest, false, &e, error), -EINVAL);
	longest[0] = '\0';
	snprintf(longest, 400, "http+unix://%%2F%0200d/", 0); /* no such socket can be named */
	assert_int_equal(endpoint_parse(longest, false, &e, error), -EINVAL);
}

static void expect(const char *text, const char *url, const char *shown, const char *user,
		   const char *socket)
{
	cleanup_endpoint struct endpoint e = { 0 };
	char error[ENDPOINT_ERROR_SIZE];

	assert_int_equal(endpoint_parse(text, true, &e, error), 0);
	assert_string_equal(e.url, url);
	assert_string_equal(e.shown, shown);
	assert_string_equal(e.user ? e.user : "-", user);
	assert_string_equal(e.unix_socket ? e.unix_socket : "-", socket);
	cleanup_free char *again = endpoint_text(&e);
	cleanup_endpoint struct endpoint second = { 0 };
	assert_int_equal(endpoint_parse(again, true, &second, error), 0);
	assert_string_equal(second.url, url);
	assert_true(endpoint_is_same_server(&e, &second));
}

static void test_taken(void **state)
{
	(void)state;
	expect("http://h", "http://h/", "http://h/", "-", "-");
	expect("HTTPS://h:444/a//", "https://h:444/a//", "https://h:444/a//", "-", "-");
	expect("http://[::1]:80/x", "http://[::1]:80/x", "http://[::1]:80/x", "-", "-");
	expect("http://u%40:p%3a@h/x?y=z", "http://h/x?y=z", "http://h/x", "u@", "-");
	expect("http+unix://%2Frun%2Fx.sock/p?q", "http://localhost/p?q",
	       "http+unix://%2Frun%2Fx.sock/p", "-", "/run/x.sock");
	expect("http+unix://%2Fx", "http://localhost/", "http+unix://%2Fx/", "-", "/x");
}

static void test_below(void **state)
{
	static const char *const rows[][2] = {
		{ "http://h:1/a//", "http://h:1/a/ID.core" },
		{ "http://h", "http://h/ID.core" },
		{ "http://h/a?b/c", "http://h/a/ID.core" },
		{ "http+unix://%2Fx/a", "http://localhost/a/ID.core" },
	};
	char error[ENDPOINT_ERROR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_endpoint struct endpoint e = { 0 };
		cleanup_endpoint struct endpoint below = { 0 };

		assert_int_equal(endpoint_parse(rows[i][0], true, &e, error), 0);
		assert_int_equal(endpoint_below(&e, "ID.core", &below), 0);
		assert_string_equal(below.url, rows[i][1]);
	}
}

/* to NULL: not to be gone to. */
static const struct {
	const char *from, *location, *to;
	bool keeps_user;
} follow_rows[] = {
	{ "http://u:p@h/a/", "b", "http://h/a/b", true },
	{ "http://u:p@h/a/", "/b?c", "http://h/b?c", true },
	{ "http://u:p@h/a/", "http://H:80/b", "http://H:80/b", true },
	{ "http://u:p@h/a/", "//h/b", "http://h/b", true },
	{ "http://u:p@h/a/", "http://other/b", "http://other/b", false },
	{ "http://u:p@h/a/", "http://h:81/b", "http://h:81/b", false },
	{ "http://u:p@h/a/", "https://h/b", "https://h/b", false },
	{ "https://u:p@h/a/", "https://h:443/b#x", "https://h:443/b", true },
	{ "https://h/a/", "http://h/b", NULL, false },
	{ "https://h/a/", "HTTP://other/b", NULL, false },
	{ "http://h/a/", "file:///etc/shadow", NULL, false },
	{ "http://h/a/", "gopher://h/x", NULL, false },
	{ "http://h/a/", "dict://h/x", NULL, false },
	{ "http://h/a/", "ftp://h/x", NULL, false },
	{ "http://h/a/", "http://user:secret@h/x", NULL, false },
	{ "http://h/a/", "http://", NULL, false },
	{ "http://h/a/", "http+unix://%2Fx/a", NULL, false },
	{ "http+unix://%2Fx/a", "/b", "http://localhost/b", false },
	{ "http+unix://%2Fx/a", "http://localhost/b", "http://localhost/b", false },
	{ "http+unix://%2Fx/a", "http://other/b", NULL, false },
	{ "http+unix://%2Fx/a", "http://localhost:81/b", NULL, false },
};

static void test_follow(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(follow_rows); i++) {
		cleanup_endpoint struct endpoint from = { 0 };
		cleanup_endpoint struct endpoint to = { 0 };
		char error[ENDPOINT_ERROR_SIZE];

		assert_int_equal(endpoint_parse(follow_rows[i].from, false, &from, error), 0);
		int r = endpoint_follow(&from, follow_rows[i].location, &to, error);
		if (!follow_rows[i].to) {
			if (r != -EINVAL)
				fail_msg("%s is followed", follow_rows[i].location);
			continue;
		}
		if (r != 0)
			fail_msg("%s: %s", follow_rows[i].location, error);
		assert_string_equal(to.url, follow_rows[i].to);
		assert_int_equal(to.user != NULL, follow_rows[i].keeps_user);
		assert_int_equal(to.unix_socket != NULL, from.unix_socket != NULL);
	}
}

static const struct {
	const char *home, *text;
	enum push_http_resume kind;
} resume_rows[] = {
	{ "http://h/", "tus:12:http://h/files/1?x", PUSH_HTTP_TUS },
	{ "http://h/", "tus:0:https://other/files/1", PUSH_HTTP_TUS },
	{ "http://h/", "put:http://h/a", PUSH_HTTP_PUT },
	{ "http+unix://%2Fx/", "tus:12:http+unix://%2Fx/files/1", PUSH_HTTP_TUS },
	{ "http+unix://%2Fx/", "tus:12:http+unix://%2Fy/files/1", PUSH_HTTP_NONE },
	{ "http+unix://%2Fx/", "tus:12:http://h/files/1", PUSH_HTTP_NONE },
	{ "http://h/", "tus:12:http+unix://%2Fx/files/1", PUSH_HTTP_NONE },
	{ "https://h/", "tus:12:http://h/files/1", PUSH_HTTP_NONE },
	{ "https://h/", "put:http://h/files/1", PUSH_HTTP_NONE },
	{ "http://h/", "tus:-1:http://h/files/1", PUSH_HTTP_NONE },
	{ "http://h/", "tus:99999999999999999999:http://h/", PUSH_HTTP_NONE },
	{ "http://h/", "tus:000000000000000000000000001:http://h/", PUSH_HTTP_NONE },
	{ "http://h/", "tus::http://h/", PUSH_HTTP_NONE },
	{ "http://h/", "tus:1", PUSH_HTTP_NONE },
	{ "http://h/", "put:file:///etc/shadow", PUSH_HTTP_NONE },
	{ "http://h/", "put:http://u:p@h/", PUSH_HTTP_NONE },
	{ "http://h/", "s3:upload", PUSH_HTTP_NONE },
	{ "http://h/", "", PUSH_HTTP_NONE },
};

static void test_resume(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(resume_rows); i++) {
		cleanup_endpoint struct endpoint home = { 0 };
		cleanup_endpoint struct endpoint to = { 0 };
		char error[ENDPOINT_ERROR_SIZE];
		uint64_t offset = 0;

		assert_int_equal(endpoint_parse(resume_rows[i].home, false, &home, error), 0);
		if (push_http_parse_resume(resume_rows[i].text, &home, &offset, &to) !=
		    resume_rows[i].kind)
			fail_msg("%s at %s", resume_rows[i].text, resume_rows[i].home);
		if (resume_rows[i].kind == PUSH_HTTP_NONE)
			continue;
		cleanup_free char *again = push_http_make_resume(resume_rows[i].kind, offset, &to);
		assert_string_equal(again, resume_rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_taken),
		cmocka_unit_test(test_below),	cmocka_unit_test(test_follow),
		cmocka_unit_test(test_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
