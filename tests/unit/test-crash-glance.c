// SPDX-License-Identifier: MIT
/* common/crash-glance.c: as crash_from_json() has it, or not at all. */
#include "crash-glance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static void test_left_to_others(void **state)
{
	static const char *const rows[] = {
		"",
		"{",
		"{}",
		"[]",
		"null",
		"{\"version\":2,\"outcome\":\"stored\"}",
		"{\"version\":1}",
		"{\"version\":1,\"outcome\":\"other\"}",
		"{\"version\":1,\"outcome\":\"stored\"",
		"{\"version\":1,\"outcome\":\"stored\"}}",
		"{\"version\":1,\"outcome\":\"stored\"},",
		"{\"version\":1,\"outcome\":\"stored\",}",
		"{\"version\":1,\"outcome\":\"stored\",\"exe\":\"a\\nb\"}",
		"{\"version\":1,\"outcome\":\"stored\",\"exe\":\"\xc3\xa9\"}",
		"{\"version\":1,\"outcome\":\"stored\",\"exe\":\"a",
		"{\"version\":1,\"outcome\":\"stored\",\"exe\":5}",
		"{\"version\":1,\"outcome\":\"stored\",\"pid\":-1}",
		"{\"version\":1,\"outcome\":\"stored\",\"pid\":1.5}",
		"{\"version\":1,\"outcome\":\"stored\",\"pid\":4294967296}",
		"{\"version\":1,\"outcome\":\"stored\",\"time_us\":1234567890123456789}",
		"{\"version\":1,\"outcome\":\"stored\",\"container\":[]}",
		"{\"version\":1,\"outcome\":\"stored\",\"x\":}",
		"{\"version\":1,\"outcome\":\"stored\",\"x\":\"\\",
		"{\"version\":1,\"outcome\":\"stored\",\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]"
		"]]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *text = strdup(rows[i]);
		struct crash crash;

		if (crash_glance(text, &crash) != -EAGAIN)
			fail_msg("taken: %s", rows[i]);
		assert_null(crash.exe);
	}
}

static void set(char **field, const char *value)
{
	assert_int_equal(crash_set_string(field, value), 0);
}

static void test_as_written(void **state)
{
	cleanup_crash struct crash full;
	cleanup_free char *text = NULL;
	struct crash crash;

	(void)state;
	crash_init(&full);
	snprintf(full.id, sizeof(full.id), "%s", ID);
	full.time_us = 1795228673123456;
	full.published_us = 1795228673223456;
	full.pid = 4166;
	full.uid = 1000;
	full.signal = 11;
	full.rlimit_core = UINT64_MAX;
	full.outcome = CRASH_TRUNCATED;
	full.core_size = 1ULL << 40;
	full.delegation = CRASH_DELEGATION_FAILED;
	full.root_only = false;
	set(&full.comm, "a b");
	set(&full.exe, "/usr/bin/osmo-bsc");
	set(&full.cwd, "/a\"\\\n{[,]}");
	set(&full.core_file, "core.zst");
	set(&full.container_name, "job-1");
	set(&full.container_id, "0123");
	set(&full.output, "line\nline \"x\" }\n");
	assert_int_equal(crash_to_json(&full, &text), 0);
	assert_int_equal(crash_glance(text, &crash), 0);
	assert_true(crash.time_us == full.time_us && crash.published_us == full.published_us);
	assert_true(crash.pid == 4166 && crash.uid == 1000 && crash.signal == 11);
	assert_true(crash.outcome == CRASH_TRUNCATED && crash.core_size == 1ULL << 40);
	assert_true(crash.delegation == CRASH_DELEGATION_FAILED && !crash.root_only);
	assert_string_equal(crash.comm, "a b");
	assert_string_equal(crash.exe, "/usr/bin/osmo-bsc");
	assert_string_equal(crash.core_file, "core.zst");
	assert_string_equal(crash.container_name, "job-1");
	assert_string_equal(crash.container_id, "0123");
	assert_null(crash.core_removed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left_to_others),
		cmocka_unit_test(test_as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
