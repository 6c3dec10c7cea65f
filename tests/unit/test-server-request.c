// SPDX-License-Identifier: MIT
/* What the server makes of paths, queries, ranges and tags: whatever a peer sends. */
#include <errno.h>
#include <string.h>

#include "../../host-helper/server/api-query.h"
#include "../../host-helper/server/api.h"
#include "../../host-helper/server/http-range.h"
#include "../../host-helper/server/limits.h"
#include "../../host-helper/server/metrics.h"
#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static void test_ranges(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum http_range expected;
		uint64_t first, last;
	} rows[] = {
		{ "bytes=", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=-", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=x", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=1", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=5-4", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes= 1-2", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=1-2 ", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=+1-2", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=--1", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=-,1-2", 10, HTTP_RANGE_MALFORMED, 0, 0 },
		{ "bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-5", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=18446744073709551616-", 10, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ NULL, 10, HTTP_RANGE_NONE, 0, 0 },
		{ "items=0-1", 10, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=0-1,3-4", 10, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=0-0", 10, HTTP_RANGE_PART, 0, 0 },
		{ "BYTES=9-", 10, HTTP_RANGE_PART, 9, 9 },
		{ "bytes=3-99999999999999999999999", 10, HTTP_RANGE_PART, 3, 9 },
		{ "bytes=-3", 10, HTTP_RANGE_PART, 7, 9 },
		{ "bytes=-99999999999999999999999", 10, HTTP_RANGE_PART, 0, 9 },
		{ "bytes=0-", UINT64_MAX, HTTP_RANGE_PART, 0, UINT64_MAX - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t first = 0, last = 0;

		assert_int_equal(http_range_parse(rows[i].value, rows[i].size, &first, &last),
				 rows[i].expected);
		assert_true(first == rows[i].first && last == rows[i].last);
	}
}

static void test_tags_and_codings(void **state)
{
	static const struct {
		const char *list;
		bool matches;
	} tags[] = {
		{ NULL, false },      { "", false },
		{ "a", false },	      { "\"a", false },
		{ "\"b\"", false },   { "\"a\"x", false },
		{ "W/a", false },     { "\"aa\"", false },
		{ "*", true },	      { "\"a\"", true },
		{ "W/\"a\"", true },  { "\"b\", \"a\"", true },
		{ " \"a\" ,", true }, { "\"b\",W/\"a\"", true },
	};
	static const struct {
		const char *accept;
		bool takes;
	} codings[] = {
		{ NULL, false },
		{ "", false },
		{ "gzip", false },
		{ "zstdx", false },
		{ "*", false },
		{ "zstd;q=0", false },
		{ "zstd;q=0.000", false },
		{ "zstd; q=0 , gzip", false },
		{ "identity", false },
		{ "zstd", true },
		{ "gzip, ZSTD", true },
		{ "gzip;q=1.0,zstd;q=0.5", true },
		{ "br,zstd;q=0.001", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		assert_int_equal(http_etag_matches(tags[i].list, "\"a\""), tags[i].matches);
	for (size_t i = 0; i < ARRAY_SIZE(codings); i++)
		assert_int_equal(http_accepts(codings[i].accept, "zstd"), codings[i].takes);
}

static void test_paths(void **state)
{
	static const char *const refused[] = {
		"",
		"/",
		"/core",
		"/coresx",
		"/cores/",
		"/cores//",
		"/cores/x",
		"/cores/..",
		"/cores/" ID "/",
		"/cores/" ID "x",
		"/cores/" ID "/..",
		"/cores/" ID "/environ",
		"/cores/" ID "/crash.json",
		"/cores/" ID "/core/",
		"/cores/" ID "/core.zst.new",
		"/cores/" ID "/%6daps",
		"/cores/" ID "//maps",
		"/cores/../" ID,
		"/cores/" ID ID,
	};
	static const struct {
		const char *path;
		enum api_what what;
		const char *file;
	} taken[] = {
		{ "/cores", API_LIST, NULL },
		{ "/cores/" ID, API_RECORD, NULL },
		{ "/cores/" ID "/core", API_CORE, NULL },
		{ "/cores/" ID "/core.zst", API_STORED, NULL },
		{ "/cores/" ID "/log", API_LOG, NULL },
		{ "/cores/" ID "/mountinfo", API_FILE, "mountinfo" },
	};
	struct api_path path;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_false(api_parse_path(refused[i], &path));
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		assert_true(api_parse_path(taken[i].path, &path));
		assert_int_equal(path.what, taken[i].what);
		assert_true(path.what == API_LIST || strcmp(path.id, ID) == 0);
		if (taken[i].file)
			assert_string_equal(path.file, taken[i].file);
	}
}

static void test_query(void **state)
{
	static const struct {
		const char *key, *value;
	} refused[] = {
		{ "x", "1" },
		{ "", "" },
		{ "limit", NULL },
		{ "limit", "" },
		{ "limit", "0" },
		{ "limit", "1001" },
		{ "limit", "-1" },
		{ "limit", "1x" },
		{ "cursor", "x" },
		{ "cursor", ID "/../x" },
		{ "exe", "" },
		{ "exe", "%" },
		{ "exe", "%zz" },
		{ "exe", "a%00b" },
		{ "exe", "*********" },
		{ "signal", "SIGNONE" },
		{ "signal", "128" },
		{ "since", "yesterday" },
		{ "since", "2026-02-31" },
		{ "until", "2026-11-21T25:00:00Z" },
		{ "pid", "4294967296" },
		{ "Exe", "a" },
		{ "limit=1&limit", "2" },
	};
	struct api_query query;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		api_query_init(&query, 1);
		assert_int_equal(api_query_take(&query, refused[i].key, refused[i].value), -EINVAL);
		assert_true(query.why[0] != '\0');
	}
	api_query_init(&query, 1000000000ULL * 1000000);
	assert_int_equal(query.limit, LIMIT_LIST);
	assert_false(api_query_asks_for_more_than_time(&query));
	assert_int_equal(api_query_take(&query, "limit", "7"), 0);
	assert_int_equal(api_query_take(&query, "cursor", ID), 0);
	assert_int_equal(api_query_take(&query, "since", "10min"), 0);
	assert_int_equal(api_query_take(&query, "until", "2001-09-09T01:46:40%2B00:00"), 0);
	assert_false(api_query_asks_for_more_than_time(&query));
	assert_int_equal(api_query_take(&query, "exe", "osmo%2d%2A"), 0);
	assert_int_equal(api_query_take(&query, "container", "a+b"), 0);
	assert_int_equal(query.limit, 7);
	assert_string_equal(query.cursor, ID);
	assert_string_equal(query.filter.exe, "osmo-*");
	assert_string_equal(query.filter.container, "a b");
	assert_true(query.filter.since_us == 999999400ULL * 1000000);
	assert_true(query.filter.until_us == 1000000000ULL * 1000000);
	assert_true(api_query_asks_for_more_than_time(&query));
}

static void test_registered(void **state)
{
	(void)state;
	assert_false(metrics_is_registered(""));
	assert_false(metrics_is_registered("core\n"));
	assert_false(metrics_is_registered("|coreferry-helper %P\n"));
	assert_false(metrics_is_registered("/usr/lib/coreferry/coreferry-helper %P\n"));
	assert_false(metrics_is_registered("|/usr/lib/coreferry-helper-not %P\n"));
	assert_false(
		metrics_is_registered("|/usr/lib/systemd/systemd-coredump %P /coreferry-helper\n"));
	assert_true(metrics_is_registered("|/usr/lib/coreferry/coreferry-helper %P %u %g\n"));
	assert_true(metrics_is_registered("|/x/coreferry-helper\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),	   cmocka_unit_test(test_tags_and_codings),
		cmocka_unit_test(test_paths),	   cmocka_unit_test(test_query),
		cmocka_unit_test(test_registered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
