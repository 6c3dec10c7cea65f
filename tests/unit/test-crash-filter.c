// SPDX-License-Identifier: MIT
/* common/crash-filter.c: what is not wholly understood is refused; what is, means just that. */
#include "crash-filter.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "test.h"

#define NOW (1000000000ULL * 1000000)

static void test_times(void **state)
{
	static const char *const refused[] = {
		"",
		"now",
		"@",
		"@-1",
		"@1.5",
		"@4294967296",
		"10",
		"10 min",
		"2026",
		"2026-11",
		"2026-1-2",
		"2026-13-01",
		"2026-02-31",
		"2026-00-01",
		"1969-12-31",
		"2026-11-21T",
		"2026-11-21T2",
		"2026-11-21T24:00:00Z",
		"2026-11-21T02:60:00Z",
		"2026-11-21T02:37",
		"2026-11-21T02:37:53.Z",
		"2026-11-21T02:37:53Zz",
		"2026-11-21T02:37:53+",
		"2026-11-21T02:37:53+1",
		"2026-11-21T02:37:53+01",
		"2026-11-21T02:37:53+01:0",
		"2026-11-21T02:37:53+01:00x",
		"1970-01-01T00:00:00+01:00",
		"2026-11-21x",
	};
	static const struct {
		const char *text;
		uint64_t time_us;
	} taken[] = {
		{ "0s", NOW },
		{ "10min", NOW - 600ULL * 1000000 },
		{ "500000h", 0 },
		{ "@5", 5000000 },
		{ "2001-09-09T01:46:40Z", NOW },
		{ "2001-09-09T01:46:40.25Z", NOW + 250000 },
		{ "2001-09-09T01:46:40.123456789Z", NOW + 123456 },
		{ "2001-09-09T02:46:40+01:00", NOW },
		{ "2001-09-08T21:46:40-0400", NOW },
		{ "2001-09-09 01:46:40", NOW },
		{ "2001-09-09", NOW - 6400ULL * 1000000 },
	};
	uint64_t time_us;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (crash_filter_parse_time(refused[i], NOW, &time_us) != -EINVAL)
			fail_msg("taken: %s", refused[i]);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_int_equal(crash_filter_parse_time(taken[i].text, NOW, &time_us), 0);
		assert_true(time_us == taken[i].time_us);
	}
}

static void test_signals(void **state)
{
	static const char *const refused[] = {
		"", "SIG", "segv", "128", "-11", "11x", "SIGSIGSEGV"
	};
	uint32_t signal = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(crash_filter_parse_signal(refused[i], &signal), -EINVAL);
	assert_int_equal(crash_filter_parse_signal("11", &signal), 0);
	assert_int_equal(signal, 11);
	assert_int_equal(crash_filter_parse_signal("ABRT", &signal), 0);
	assert_int_equal(signal, 6);
	assert_int_equal(crash_filter_parse_signal("SIGBUS", &signal), 0);
	assert_int_equal(signal, 7);
}

static bool matches(const char *key, const char *value)
{
	static const struct crash_summary crash = { .time_us = NOW,
						    .pid = 42,
						    .signal = 11,
						    .exe = "/usr/bin/osmo-bsc",
						    .container_name = "job-1",
						    .container_id = "0123abcd" };
	struct crash_filter filter = { 0 };
	char why[CRASH_FILTER_WHY_SIZE];

	assert_int_equal(crash_filter_set(&filter, key, value, NOW, why), 0);
	return crash_filter_matches(&filter, &crash);
}

static void test_matches(void **state)
{
	const struct crash_summary unknown = { .time_us = NOW };
	struct crash_filter filter = { 0 };
	char why[CRASH_FILTER_WHY_SIZE];

	(void)state;
	assert_true(crash_filter_matches(&filter, &unknown));
	assert_true(matches("since", "0s") && matches("until", "0s") && matches("since", "1s"));
	assert_false(matches("until", "1s"));
	assert_true(matches("pid", "42"));
	assert_false(matches("pid", "4"));
	assert_true(matches("signal", "SEGV"));
	assert_false(matches("signal", "6"));
	assert_true(matches("exe", "osmo-*") && matches("exe", "/usr/*/osmo-bsc"));
	assert_false(matches("exe", "osmo") || matches("exe", "/bin/osmo-bsc"));
	assert_true(matches("container", "job-?") && matches("container", "0123"));
	assert_false(matches("container", "job") || matches("container", "123"));
	assert_int_equal(crash_filter_set(&filter, "exe", "*", NOW, why), 0);
	assert_false(crash_filter_matches(&filter, &unknown));
	assert_int_equal(crash_filter_set(&filter, "uid", "1", NOW, why), -ENOKEY);
	assert_int_equal(crash_filter_set(&filter, "exe", "a*b*c*d*e*f*g*h*i*", NOW, why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_matches),
	};

	/* What has no zone is local time. */
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
