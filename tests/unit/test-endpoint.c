// SPDX-License-Identifier: MIT
/* container-agent/endpoint.c: which URL counts, and which are none. */
#include "../../container-agent/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

static void test_make_url(void **state)
{
	static const char *const bad[] = {
		"",
		"host/x",
		"file:///etc/shadow",
		"gopher://x/",
		"ftp://x",
		"http:/x",
		"http://x/\r\nHost: y",
		"http://x/ y",
		"http://x/\x7f",
		"http://x/?a=b",
		"http://x#f",
		"http://x/\xc3\xbc",
	};
	char error[ENDPOINT_ERROR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		error[0] = '\0';
		assert_null(endpoint_make_url(bad[i], "ID", ".core", error));
		assert_non_null(strstr(error, "not a URL"));
		assert_null(strpbrk(error, "\r\n\x7f"));
	}
	cleanup_free char *a = endpoint_make_url("http://h:1/a//", "ID", ".core.zst", error);
	cleanup_free char *b = endpoint_make_url("HTTPS://h", "ID", ".core", error);
	assert_string_equal(a, "http://h:1/a/ID.core.zst");
	assert_string_equal(b, "HTTPS://h/ID.core");
}

static void expect(const char *option, const char *file, int r, const char *url)
{
	cleanup_free char *found = NULL;
	char error[ENDPOINT_ERROR_SIZE] = "";

	assert_int_equal(endpoint_find(option, file, &found, error), r);
	if (r == 0)
		assert_string_equal(found, url);
	else
		assert_true(error[0] != '\0');
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_find(void **state)
{
	char path[] = "/tmp/test-endpoint.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unsetenv("COREFERRY_URL");
	unsetenv("CORE_DEFAULT_URL");
	expect(NULL, path, -ENOENT, NULL);
	expect(NULL, "/nonexistent/agent.conf", -ENOENT, NULL);
	setenv("CORE_DEFAULT_URL", "http://host", 1);
	expect(NULL, path, 0, "http://host");
	write_file(path, "# ours\nurl = http://container\n");
	expect(NULL, path, 0, "http://container");
	setenv("COREFERRY_URL", "", 1);
	expect(NULL, path, 0, "http://container");
	setenv("COREFERRY_URL", "http://victim", 1);
	expect(NULL, path, 0, "http://victim");
	expect("http://option", path, 0, "http://option");

	unsetenv("COREFERRY_URL");
	write_file(path, "uri = http://container\n");
	expect(NULL, path, -ENOKEY, NULL);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* no writer: it would wait for ever */
	expect(NULL, path, -EINVAL, NULL);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make_url),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
