// SPDX-License-Identifier: MIT
/* common/parse.c: what is not wholly a value is refused, and leaves the result alone. */
#include "parse.h"

#include <errno.h>

#include "test.h"

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int r;
		uint64_t value;
	} rows[] = {
		{ "", 10, -EINVAL, 0 },
		{ "-1", UINT64_MAX, -EINVAL, 0 },
		{ "+1", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 },
		{ "1 ", 10, -EINVAL, 0 },
		{ "1x", 10, -EINVAL, 0 },
		{ "0x1", 10, -EINVAL, 0 },
		{ "11", 10, -ERANGE, 0 },
		{ "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999", UINT64_MAX, -ERANGE, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "0", 0, 0, 0 },
		{ "007", 10, 0, 7 },
		{ "10", 10, 0, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 4711;

		assert_int_equal(parse_u64(rows[i].text, rows[i].max, &value), rows[i].r);
		assert_int_equal(value, rows[i].r == 0 ? rows[i].value : 4711);
	}
}

static void test_hex(void **state)
{
	uint64_t value = 4711;

	(void)state;
	assert_int_equal(parse_hex_u64("", &value), -EINVAL);
	assert_int_equal(parse_hex_u64("0x1", &value), -EINVAL);
	assert_int_equal(parse_hex_u64("00000000000000001", &value), -EINVAL);
	assert_int_equal(value, 4711);
	assert_int_equal(parse_hex_u64("000001ffffffffff", &value), 0);
	assert_int_equal(value, 0x1ffffffffffULL);
	assert_int_equal(parse_hex_u64("ABCDEF", &value), 0);
	assert_int_equal(value, 0xabcdef);
}

static void test_size_and_duration(void **state)
{
	uint64_t value = 4711;

	(void)state;
	assert_int_equal(parse_size("1k", &value), -EINVAL);
	assert_int_equal(parse_size("1 M", &value), -EINVAL);
	assert_int_equal(parse_size("M", &value), -EINVAL);
	assert_int_equal(parse_size("16777216T", &value), -ERANGE);
	assert_int_equal(value, 4711);
	assert_int_equal(parse_size("16M", &value), 0);
	assert_int_equal(value, 16 << 20);
	assert_int_equal(parse_size("512", &value), 0);
	assert_int_equal(value, 512);

	assert_int_equal(parse_duration_ms("-1s", &value), -EINVAL);
	assert_int_equal(parse_duration_ms("1m", &value), -EINVAL);
	assert_int_equal(value, 512);
	assert_int_equal(parse_duration_ms("250ms", &value), 0);
	assert_int_equal(value, 250);
	assert_int_equal(parse_duration_ms("30", &value), 0);
	assert_int_equal(value, 30000);
	assert_int_equal(parse_duration_ms("10min", &value), 0);
	assert_int_equal(value, 600000);
}

static void test_bool(void **state)
{
	bool value = true;

	(void)state;
	assert_int_equal(parse_bool("", &value), -EINVAL);
	assert_int_equal(parse_bool("maybe", &value), -EINVAL);
	assert_int_equal(parse_bool("noo", &value), -EINVAL);
	assert_true(value);
	assert_int_equal(parse_bool("No", &value), 0);
	assert_false(value);
	assert_int_equal(parse_bool("on", &value), 0);
	assert_true(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_size_and_duration),
		cmocka_unit_test(test_bool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
