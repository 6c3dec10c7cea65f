// SPDX-License-Identifier: MIT
/* common/backoff.c: nobody is hammered, and nobody's word holds us for ever. */
#include "backoff.h"

#include "test.h"

static void test_pauses(void **state)
{
	static const struct {
		unsigned failures;
		uint64_t base;
	} rows[] = { { 0, 500 },   { 1, 500 },	 { 2, 1000 },	{ 3, 2000 },	      { 7, 32000 },
		     { 8, 60000 }, { 9, 60000 }, { 64, 60000 }, { UINT32_MAX, 60000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t base = rows[i].base;

		assert_int_equal(backoff_ms(rows[i].failures, 0, 0), base / 2);
		assert_int_equal(backoff_ms(rows[i].failures, 0, (uint32_t)base), base / 2 + base);
		for (uint32_t random = 1; random != 0 && random < 4000000000U; random += 77777777) {
			uint64_t ms = backoff_ms(rows[i].failures, 0, random);

			assert_true(ms >= base / 2 && ms <= base + base / 2);
		}
	}
}

static void test_retry_after(void **state)
{
	(void)state;
	assert_int_equal(backoff_ms(1, 3, 0), 3000);
	assert_int_equal(backoff_ms(1, 3, 500), 3250);
	assert_int_equal(backoff_ms(9, 3, 0), 30000); /* it has been too many already */
	assert_int_equal(backoff_ms(1, UINT32_MAX, 0), BACKOFF_RETRY_AFTER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
