// SPDX-License-Identifier: MIT
/*
 * common/parse.c: numbers, sizes, times and answers that anyone may have written.
 *
 * Taken is what strtoull(3) reads from nothing but digits, within the limit, and nothing else.
 */
#include "parse.h"

#include <errno.h>

#include "fuzz.h"

#define UNTOUCHED 0x0ddba11c0ffeeULL
#define UNITS	  9

/* The value against strtoull(3)'s, times factor; 0: what stands behind the digits is no unit. */
static void check(int r, uint64_t value, const char *text, int base, uint64_t factor, uint64_t max)
{
	errno = 0;
	uint64_t expected = strtoull(text, NULL, base);
	bool good = errno == 0 && factor != 0 && expected <= max / factor;

	assert((r == 0) == good);
	assert(good || r == -EINVAL || r == -ERANGE);
	assert(value == (good ? expected * factor : UNTOUCHED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char *name;
		uint64_t bytes, ms;
	} units[UNITS] = { { "", 1, 1000 },	{ "K", 1 << 10, 0 },	 { "M", 1 << 20, 0 },
			   { "G", 1 << 30, 0 }, { "T", 1ULL << 40, 0 },	 { "ms", 0, 1 },
			   { "s", 0, 1000 },	{ "min", 0, 60 * 1000 }, { "h", 0, 3600 * 1000 } };
	static const uint64_t limits[4] = { 0, 128, INT32_MAX, UINT64_MAX };
	cleanup_free char *text = fuzz_string(data, size);
	size_t digits = strspn(text, "0123456789"), hex = strspn(text, "0123456789abcdefABCDEF");
	uint64_t bits = UNTOUCHED, bytes = UNTOUCHED, ms = UNTOUCHED;
	size_t unit = digits > 0 ? 0 : UNITS;
	bool answer = true;

	while (unit < UNITS && strcmp(text + digits, units[unit].name) != 0)
		unit++;
	int r = parse_size(text, &bytes);
	check(r, bytes, text, 10, unit < UNITS ? units[unit].bytes : 0, UINT64_MAX);
	r = parse_duration_ms(text, &ms);
	check(r, ms, text, 10, unit < UNITS ? units[unit].ms : 0, UINT64_MAX);
	r = parse_hex_u64(text, &bits);
	check(r, bits, text, 16, hex > 0 && hex <= 16 && !text[hex], UINT64_MAX);
	for (size_t i = 0; i < 4; i++) {
		uint64_t value = UNTOUCHED;

		r = parse_u64(text, limits[i], &value);
		check(r, value, text, 10, digits > 0 && !text[digits], limits[i]);
	}
	assert(parse_bool(text, &answer) == 0 || answer);
	return 0;
}
