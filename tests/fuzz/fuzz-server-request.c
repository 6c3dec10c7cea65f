// SPDX-License-Identifier: MIT
/*
 * host-helper/server/{api-path,api-query,http-range}.c, common/crash-filter.c: what anybody sends.
 *
 * The first byte chooses what the rest is; of a query and a range a part of it is the other half.
 */
#include <errno.h>
#include <string.h>

#include "../../host-helper/server/api-query.h"
#include "../../host-helper/server/api.h"
#include "../../host-helper/server/http-range.h"
#include "../../host-helper/server/limits.h"
#include "../../host-helper/server/metrics.h"
#include "fuzz.h"

static void check_path(const char *text)
{
	struct api_path path;

	if (!api_parse_path(text, &path))
		return;
	assert(path.what == API_LIST || (crash_id_is_valid(path.id) && strstr(text, path.id)));
	assert((path.what == API_FILE) == (path.file != NULL));
	assert(!path.file || (strcmp(path.file, "environ") != 0 && !strchr(path.file, '/')));
}

static void check_query(const char *key, const char *value)
{
	static const struct crash_summary crash = { .time_us = 1,
						    .exe = "/usr/bin/a*[b",
						    .container_name = "x" };
	struct api_query query;

	api_query_init(&query, 1795228673ULL * 1000000);
	if (api_query_take(&query, key, value) < 0) {
		assert(fuzz_is_printable(query.why, sizeof(query.why)) && query.why[0]);
		return;
	}
	assert(query.limit > 0 && query.limit <= LIMIT_LIST_MAX);
	assert(!query.cursor[0] || crash_id_is_valid(query.cursor));
	(void)crash_filter_matches(&query.filter, &crash);
}

static void check_range(const char *text, uint64_t size)
{
	uint64_t first = 0, last = 0;

	if (http_range_parse(text, size, &first, &last) == HTTP_RANGE_PART)
		assert(first <= last && last < size);
	(void)http_etag_matches(text, "\""
				      "x"
				      "\"");
	(void)http_accepts(text, "zstd");
	(void)metrics_is_registered(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t which = fuzz_byte(&data, &size);
	cleanup_free char *text = fuzz_string(data, size);
	static const char *const keys[] = { "since",  "until", "exe",	"container",
					    "signal", "pid",   "limit", "cursor" };

	switch (which % 4) {
	case 0:
		check_path(text);
		break;
	case 1:
		check_query(keys[(which / 4) % 8], text);
		break;
	case 2:
		check_query(text, strlen(text) < size ? text + strlen(text) + 1 : NULL);
		break;
	default:
		check_range(text, which < 128 ? which : UINT64_MAX - which);
	}
	return 0;
}
