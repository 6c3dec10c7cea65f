// SPDX-License-Identifier: MIT
/* host-helper/cli/show-counters.c: what status tells of the counters, for people and as JSON. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../host-helper/cli/show-counters.h"
#include "fd.h"
#include "test.h"

/* What the function prints on stdout (free it). */
static char *printed(const struct counters_snapshot *snapshot)
{
	cleanup_fd int file = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	char *text = NULL;
	size_t len;

	assert_true(file >= 0);
	fflush(stdout);
	cleanup_fd int old = dup(STDOUT_FILENO);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	show_counters_text(snapshot);
	fflush(stdout);
	assert_true(dup2(old, STDOUT_FILENO) >= 0);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_some(file, 65536, &text, &len), 0);
	return text;
}

static void test_text(void **state)
{
	struct counters_snapshot s = { .value = { [COUNTER_SEEN] = 12,
						  [COUNTER_STORED] = 7,
						  [COUNTER_TRUNCATED_DISK_FULL] = 1,
						  [COUNTER_TRUNCATED_OTHER] = 2,
						  [COUNTER_REFUSED_RLIMIT] = 1,
						  [COUNTER_FAILED] = 1,
						  [COUNTER_CAPTURED_BYTES] = 3 << 20,
						  [COUNTER_PUSH_REFUSED] = 4,
						  [COUNTER_EVICTED_CORES] = 5 },
				       .held = { [1] = 6, [4] = 5, [15] = 1 },
				       .held_count = 12,
				       .held_sum_us = 24000 };
	cleanup_free char *text = printed(&s);

	(void)state;
	assert_string_equal(text, "crashes so far:   12\n"
				  "  stored:         7\n"
				  "  truncated:      3 (disk_full 1, other 2)\n"
				  "  refused:        1 (rlimit 1)\n"
				  "  failed:         1\n"
				  "pushes:           4 (refused 4)\n"
				  "bytes:            3.0M captured, 0B stored, 0B were holes\n"
				  "held:             2.0 ms on average; half within 2.5 ms, "
				  "95 % for longer than 60 s\n"
				  "housekeeping:     5 cores removed by quotas, "
				  "0 captures recovered\n");
}

static void test_text_of_nothing(void **state)
{
	static const struct counters_snapshot s;
	cleanup_free char *text = printed(&s);

	(void)state;
	assert_non_null(strstr(text, "  refused:        0\n"));
	assert_null(strstr(text, "held:"));
	assert_null(strstr(text, "nan"));
}

static void test_held_within(void **state)
{
	static const struct {
		uint64_t held[COUNTERS_HELD_BUCKETS];
		uint64_t count;
		unsigned percent;
		uint64_t within_us;
	} rows[] = {
		{ { 0 }, 0, 50, 0 },
		{ { 1 }, 1, 50, 1000 },
		{ { 1, 1 }, 2, 50, 1000 },
		{ { 1, 2 }, 3, 50, 2500 },
		{ { 95, 0, 0, 5 }, 100, 95, 1000 },
		{ { 94, 0, 0, 6 }, 100, 95, 10000 },
		{ { [14] = 1 }, 1, 95, 60000000 },
		{ { [15] = 1 }, 1, 95, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct counters_snapshot s = { .held_count = rows[i].count };

		memcpy(s.held, rows[i].held, sizeof(s.held));
		assert_int_equal(show_counters_held_within(&s, rows[i].percent), rows[i].within_us);
	}
}

static json_int_t number(const json_t *object, const char *name, const char *part)
{
	const json_t *value = json_object_get(object, name);

	value = part ? json_object_get(value, part) : value;
	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void test_json(void **state)
{
	struct counters_snapshot s = { .held = { [0] = 2, [14] = 3, [15] = 4 },
				       .held_count = 9,
				       .held_sum_us = 1ULL << 40 };

	(void)state;
	for (int i = 0; i < COUNTER_COUNT; i++)
		s.value[i] = 100 + (uint64_t)i;
	json_t *object = show_counters_json(&s);
	for (int i = 0; i < COUNTER_COUNT; i++)
		assert_int_equal(number(object, counter_names[i].name, counter_names[i].value),
				 100 + i);
	const json_t *held = json_object_get(object, "held");
	assert_int_equal(number(held, "count", NULL), 9);
	assert_int_equal(number(held, "sum_us", NULL), 1ULL << 40);
	const json_t *buckets = json_object_get(held, "buckets");
	assert_int_equal(json_array_size(buckets), COUNTERS_HELD_BUCKETS);
	assert_int_equal(number(json_array_get(buckets, 0), "le_us", NULL), 1000);
	assert_int_equal(number(json_array_get(buckets, 13), "count", NULL), 2);
	assert_int_equal(number(json_array_get(buckets, 14), "count", NULL), 5);
	assert_int_equal(number(json_array_get(buckets, 15), "count", NULL), 9);
	assert_true(json_is_null(json_object_get(json_array_get(buckets, 15), "le_us")));
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_of_nothing),
		cmocka_unit_test(test_held_within),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
