// SPDX-License-Identifier: MIT
/*
 * common/parse.c: numbers, sizes, times and answers that anyone may have written.
 *
 * A value is taken where strtoull(3) reads the same one from nothing but digits, within the limit,
 * and only there; what is refused leaves the result as it was.
 */
#include "parse.h"

#include "fuzz.h"

#include <errno.h>

#define UNTOUCHED 0x0ddba11c0ffeeULL

/* r and value against: digits of the base, then a unit of that factor (0: there is no such). */
static void check(int r, uint64_t value, const char *text, size_t digits, int base, uint64_t factor,
		  uint64_t max)
{
	uint64_t expected;

	errno = 0;
	expected = digits > 0 ? strtoull(text, NULL, base) : 0;
	bool good = digits > 0 && errno == 0 && factor != 0 && expected <= max / factor;

	assert((r == 0) == good);
	assert(r == 0 || r == -EINVAL || r == -ERANGE);
	assert(value == (good ? expected * factor : UNTOUCHED));
}

static uint64_t factor_of(const char *unit, const char *const *names, const uint64_t *factors)
{
	for (; *names; names++, factors++)
		if (strcmp(unit, *names) == 0)
			return *factors;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const sizes[] = { "", "K", "M", "G", "T", NULL };
	static const uint64_t size_factors[] = { 1, 1U << 10, 1U << 20, 1U << 30, 1ULL << 40 };
	static const char *const times[] = { "", "ms", "s", "min", "h", NULL };
	static const uint64_t time_factors[] = { 1000, 1, 1000, 60000, 3600000 };
	static const uint64_t limits[] = { 0, 128, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };
	cleanup_free char *text = fuzz_string(data, size);
	size_t digits = strspn(text, "0123456789"), hex = strspn(text, "0123456789abcdefABCDEF");
	const char *unit = text + digits;
	uint64_t v;
	bool answer = true;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		check(parse_u64(text, limits[i], (v = UNTOUCHED, &v)), v, text, digits, 10, !*unit,
		      limits[i]);
	return 0;
}
