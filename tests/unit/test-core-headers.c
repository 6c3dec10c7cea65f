// SPDX-License-Identifier: MIT
/*
 * The headers that tell what a core is: nothing that a victim chose may leave its value.
 */
#include <errno.h>
#include <string.h>

#include "core-headers.h"
#include "fd.h"
#include "test.h"

struct seen {
	char text[8192];
	size_t count;
};

static int note(void *context, const char *name, const char *value)
{
	struct seen *seen = context;
	size_t len = strlen(seen->text);

	for (const char *p = value; *p; p++)
		assert_true(*p > ' ' && *p < 0x7f);
	seen->count++;
	snprintf(seen->text + len, sizeof(seen->text) - len, "%s: %s\n", name, value);
	return 0;
}

static void test_hostile(void **state)
{
	static const char *const names[] = {
		"\r\nX-Evil: 1\r\n\r\n", "\n",	   " ",	       "\x1b[31m",
		"\xff\xfe\x80",		 "%0d%0a", ":;\"'\\<>"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_crash struct crash crash;
		struct seen seen = { .count = 0 };

		crash_init(&crash);
		crash_set_string(&crash.exe, names[i]);
		crash_set_string(&crash.comm, names[i]);
		crash_set_string(&crash.hostname, names[i]);
		crash_set_string(&crash.container_name, names[i]);
		strcpy(crash.core_sha256, "not a digest");
		assert_int_equal(core_headers_for_each(&crash, note, &seen), 0);
		assert_null(strstr(seen.text, "\nX-Evil"));
		assert_null(strstr(seen.text, CORE_HEADER_REPR_DIGEST));
	}
}

static void test_all(void **state)
{
	cleanup_crash struct crash crash;
	struct seen seen = { .count = 0 };

	(void)state;
	crash_init(&crash);
	strcpy(crash.id, "20261121T023753.123456Z-4166-9f3c");
	crash_set_string(&crash.exe, "/usr/bin/osmo-bts");
	crash_set_string(&crash.comm, "osmo-bts");
	crash_set_string(&crash.hostname, "box");
	crash_set_string(&crash.container_id, "c0ffee");
	crash.time_us = 1795228673123456;
	crash.pid = 4166;
	crash.uid = 1000;
	crash.gid = 100;
	crash.signal = 11;
	crash.core_size = 5;
	strcpy(crash.core_sha256,
	       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(core_headers_for_each(&crash, note, &seen), 0);
	assert_string_equal(
		seen.text,
		"X-Executable-Path: /usr/bin/osmo-bts\n"
		"X-Core-Id: 20261121T023753.123456Z-4166-9f3c\n"
		"X-Core-Pid: 4166\nX-Core-Uid: 1000\nX-Core-Gid: 100\nX-Core-Signal: 11\n"
		"X-Core-Timestamp: 2026-11-21T02:37:53.123456Z\n"
		"X-Core-Comm: osmo-bts\nX-Core-Hostname: box\nX-Core-Container: c0ffee\n"
		"X-Core-Size: 5\nX-Core-Outcome: stored\n"
		"X-Core-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
		"Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n");
	assert_int_equal(seen.count, CORE_HEADER_COUNT + 1);
}

static int stop(void *context, const char *name, const char *value)
{
	(void)name;
	(void)value;
	return ++*(int *)context == 3 ? -EPIPE : 0;
}

static void test_stops(void **state)
{
	cleanup_crash struct crash crash;
	int calls = 0;

	(void)state;
	crash_init(&crash);
	assert_int_equal(core_headers_for_each(&crash, stop, &calls), -EPIPE);
	assert_int_equal(calls, 3);
}

static void test_table(void **state)
{
	(void)state;
	for (int i = 0; i < CORE_HEADER_COUNT; i++) {
		assert_non_null(core_headers[i].name);
		assert_memory_equal(core_headers[i].variable, "CORE_", 5);
		assert_int_equal(core_header_find(core_headers[i].name), i);
	}
	assert_int_equal(core_header_find("x-core-PID"), CORE_HEADER_PID);
	assert_int_equal(core_header_find("X-Core-"), -1);
	assert_int_equal(core_header_find(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
