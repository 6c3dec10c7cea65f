// SPDX-License-Identifier: MIT
/* container-agent/settings.c: what counts of the options, the environment and agent.conf. */
#include "../../container-agent/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

static void expect(const char *option, const char *file, int r, const char *url)
{
	cleanup_settings struct settings s = { 0 };
	char error[SETTINGS_ERROR_SIZE] = "";

	assert_int_equal(settings_load(&s, option, file, error), r);
	if (r == 0)
		assert_string_equal(s.url, url);
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

static int make_file(void **state)
{
	char *path = strdup("/tmp/test-settings.XXXXXX");
	int fd = path ? mkstemp(path) : -1;

	clearenv();
	*state = path;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	unlink(*state);
	free(*state);
	return 0;
}

static void test_url(void **state)
{
	const char *path = *state;

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
}

static void test_host_alone(void **state)
{
	const char *path = *state;

	setenv("CORE_TRUST_URL", "no", 1);
	setenv("COREFERRY_URL", "http://victim", 1);
	expect(NULL, NULL, -ENOENT, NULL);
	setenv("CORE_DEFAULT_URL", "http://host", 1);
	expect(NULL, NULL, 0, "http://host");
	/* What was said on the command line is nobody's in the container. */
	expect("http://option", NULL, 0, "http://option");
	write_file(path, "url = http://file\n");
	expect(NULL, path, 0, "http://file");
	setenv("CORE_TRUST_URL", "yes", 1);
	expect(NULL, path, 0, "http://victim");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"uri = http://container\n", "[container x]\nurl = http://x\n",
		"ca_file = certs/ca.pem\n", "authorization_file = \n",
		"client_key = ~/key\n",	    "encoding = gzip\n",
		"encoding = ZSTD\n",	    "url\n",
	};
	const char *path = *state;

	setenv("CORE_DEFAULT_URL", "http://host", 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cleanup_settings struct settings s = { 0 };
		char error[SETTINGS_ERROR_SIZE] = "";

		write_file(path, bad[i]);
		assert_true(settings_load(&s, NULL, path, error) < 0);
		assert_non_null(strstr(error, path));
		assert_null(s.url);
	}
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* no writer: it would wait for ever */
	expect(NULL, path, -EINVAL, NULL);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	expect(NULL, path, -EINVAL, NULL);
	rmdir(path);
	write_file(path, "");
	assert_int_equal(truncate(path, 1L << 30), 0);
	expect(NULL, path, -EFBIG, NULL);
}

static void test_values(void **state)
{
	cleanup_settings struct settings s = { 0 };
	char error[SETTINGS_ERROR_SIZE];

	setenv("COREFERRY_URL", "http://victim", 1);
	setenv("CORE_DEFAULT_ENCODING", "identity", 1);
	write_file(*state, "url = http://c\nca_file = /ca\nclient_cert = /c\nclient_key = /k\n"
			   "authorization_file = /a\n");
	assert_int_equal(settings_load(&s, NULL, *state, error), 0);
	assert_string_equal(s.url, "http://victim");
	assert_string_equal(s.configured_url, "http://c");
	assert_string_equal(s.ca_file, "/ca");
	assert_string_equal(s.client_cert, "/c");
	assert_string_equal(s.client_key, "/k");
	assert_string_equal(s.authorization_file, "/a");
	assert_string_equal(s.encoding, "identity");
	settings_release(&s);
	write_file(*state, "encoding = zstd\n");
	assert_int_equal(settings_load(&s, NULL, *state, error), 0);
	assert_string_equal(s.encoding, "zstd");
	setenv("CORE_DEFAULT_ENCODING", "lzma", 1);
	write_file(*state, "");
	expect(NULL, *state, -EINVAL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_url, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_host_alone, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_refused, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_values, make_file, remove_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
