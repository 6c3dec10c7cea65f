// SPDX-License-Identifier: MIT
/* common/push-report.c: what the agent says of its push is the container's word. */
#include "push-report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"null",
		"[]",
		"\"put\"",
		"{",
		"{} {}",
		"{\"status\":-1}",
		"{\"status\":1000}",
		"{\"status\":\"200\"}",
		"{\"status\":2.5}",
		"{\"sent\":-1}",
		"{\"sent\":9223372036854775808}",
		"{\"offset\":1e3}",
		"{\"total\":null}",
		"{\"retry_after_s\":4294967296}",
		"{\"status\":200,\"status\":200}",
		"{\"protocol\":\"PUT\"}",
		"{\"protocol\":\"\"}",
		"{\"protocol\":\"a-word-that-is-too-long\"}",
		"{\"protocol\":1}",
		"{\"verified\":\"yes sir\"}",
		"{\"url\":\"http://a/\\u000d\\u000aX-Evil: 1\"}",
		"{\"url\":\"http://\\u00fc/\"}",
		"{\"url\":\"\"}",
		"{\"resume\":\"a b\"}",
		"{\"resume\":\"a\\nb\"}",
		"{\"resume\":\"\\u007f\"}",
		"{\"resume\":[]}",
		"{\"error\":\"a\\\\x00b\"}",
		"{\"error\":7}",
		"{\"error\":\"\xff\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct push_report report = { .status = 7 };

		if (push_report_from_json(rows[i], strlen(rows[i]), &report) != -EINVAL)
			fail_msg("taken: %s", rows[i]);
		assert_int_equal(report.status, 7);
	}
}

static void test_bounds(void **state)
{
	static const struct {
		const char *key;
		size_t max;
	} rows[] = { { "resume", PUSH_REPORT_RESUME_MAX },
		     { "url", PUSH_REPORT_URL_MAX },
		     { "error", PUSH_REPORT_ERROR_MAX } };
	char value[4096], line[4200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t more = 0; more < 2; more++) {
			struct push_report report = { 0 };

			memset(value, 'x', sizeof(value));
			value[rows[i].max + more] = '\0';
			snprintf(line, sizeof(line), "{\"%s\":\"%s\"}", rows[i].key, value);
			assert_int_equal(push_report_from_json(line, strlen(line), &report),
					 more ? -EINVAL : 0);
			push_report_release(&report);
		}
}

/* The longest that can be told is still a line that is taken. */
static void test_longest(void **state)
{
	char url[PUSH_REPORT_URL_MAX + 1], resume[PUSH_REPORT_RESUME_MAX + 1], error[1000];
	char protocol[] = "abcdefghijklmnop";
	struct push_report report = { .protocol = protocol,
				      .url = url,
				      .status = 999,
				      .sent = UINT64_MAX,
				      .offset = INT64_MAX,
				      .total = INT64_MAX,
				      .resume = resume,
				      .verified = protocol,
				      .retry_after_s = UINT32_MAX,
				      .error = error };
	struct push_report back;
	char *line = NULL;

	(void)state;
	memset(url, '"', sizeof(url) - 1);
	memset(resume, '\\', sizeof(resume) - 1);
	memset(error, '\n', sizeof(error) - 1);
	url[sizeof(url) - 1] = resume[sizeof(resume) - 1] = error[sizeof(error) - 1] = '\0';
	assert_int_equal(push_report_to_json(&report, &line), 0);
	assert_true(strlen(line) <= PUSH_REPORT_LINE_MAX);
	assert_int_equal(push_report_from_json(line, strlen(line), &back), 0);
	assert_string_equal(back.url, url);
	assert_string_equal(back.resume, resume);
	assert_int_equal(strlen(back.error), PUSH_REPORT_ERROR_MAX);
	assert_int_equal(back.sent, INT64_MAX);
	assert_int_equal(back.retry_after_s, UINT32_MAX);
	push_report_release(&back);
	free(line);
}

static void test_left_out(void **state)
{
	char url[] = "http://a/ b", resume[] = "\n", protocol[] = "TUS", error[] = "\xff\n\"";
	struct push_report report = {
		.protocol = protocol, .url = url, .resume = resume, .error = error
	};
	struct push_report back;
	char *line = NULL;

	(void)state;
	assert_int_equal(push_report_to_json(&report, &line), 0);
	assert_string_equal(line, "{\"error\":\"\\\\xff\\\\x0a\\\"\"}\n");
	assert_int_equal(push_report_from_json(line, strlen(line), &back), 0);
	assert_null(back.protocol);
	assert_string_equal(back.error, error);
	push_report_release(&back);
	free(line);
}

static void test_stream(void **state)
{
	static const char text[] =
		"a warning\n{\"sent\":1}\n{\"sent\":-2}\n{\"sent\":3,\"new\":1}\n"
		"{\"sent\":4}";
	struct push_report_lines lines = { .len = 0 };
	struct push_report report = { 0 };
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < strlen(text); i++)
		count += push_report_take(&lines, text + i, 1, &report);
	assert_int_equal(count, 2);
	assert_int_equal(report.sent, 3); /* the last one is not complete */
	count = push_report_take(&lines, "\n", 1, &report);
	assert_int_equal(count, 1);
	assert_int_equal(report.sent, 4);
	push_report_release(&report);
}

static void test_endless_line(void **state)
{
	struct push_report_lines lines = { .len = 0 };
	struct push_report report = { 0 };
	char blanks[1000];

	(void)state;
	memset(blanks, ' ', sizeof(blanks));
	for (int i = 0; i < 100; i++)
		assert_int_equal(push_report_take(&lines, blanks, sizeof(blanks), &report), 0);
	assert_int_equal(push_report_take(&lines, "{\"sent\":1}\n", 11, &report), 0);
	assert_int_equal(push_report_take(&lines, "{\"sent\":2}\n", 11, &report), 1);
	assert_int_equal(report.sent, 2);
	push_report_release(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_stream),	cmocka_unit_test(test_endless_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
