// SPDX-License-Identifier: MIT
/*
 * common/push-report.c: what the agent says on its stdout, which is the container's word.
 *
 * What is taken is within its bounds, fit for an environment variable where it becomes one, and
 * written and read again it is the same.
 */
#include "push-report.h"

#include <errno.h>

#include "fuzz.h"

static void check(const struct push_report *r)
{
	assert(r->status <= 999 && r->sent <= INT64_MAX && r->offset <= INT64_MAX);
	assert(!r->resume || push_report_is_resume(r->resume));
	assert(!r->url || (strlen(r->url) <= PUSH_REPORT_URL_MAX &&
			   fuzz_is_printable(r->url, PUSH_REPORT_URL_MAX + 1)));
	assert(!r->protocol || strlen(r->protocol) <= PUSH_REPORT_WORD_MAX);
	assert(!r->verified || strlen(r->verified) <= PUSH_REPORT_WORD_MAX);
	assert(!r->error || strlen(r->error) <= PUSH_REPORT_ERROR_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct push_report_lines lines;
	cleanup_push_report struct push_report report = { 0 }, again = { 0 };
	cleanup_free char *line = NULL, *line_again = NULL;

	lines = (struct push_report_lines){ .len = 0 };
	(void)push_report_take(&lines, (const char *)data, size, &report);
	(void)push_report_take(&lines, "\n", 1, &report);
	check(&report);
	assert(push_report_to_json(&report, &line) == 0);
	assert(strlen(line) <= PUSH_REPORT_LINE_MAX);
	assert(push_report_from_json(line, strlen(line), &again) == 0);
	check(&again);
	assert(push_report_to_json(&again, &line_again) == 0);
	assert(strcmp(line, line_again) == 0);
	return 0;
}
