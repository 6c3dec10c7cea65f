// SPDX-License-Identifier: MIT
/* container-agent/endpoint.c: what is a URL to push to. */
#include "../../container-agent/endpoint.h"

#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
