// SPDX-License-Identifier: MIT
/*
 * Strict parsers of numbers, sizes, times and answers.  Pure: text in, value out.
 *
 * The text may come from anyone; what is not wholly a value is refused.  (strtoull(3) takes "-1",
 * " 1" and "1x": hence our own.)
 */
#include "parse.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Reads digits from *p, and moves *p behind them. -EINVAL: none; -ERANGE: more than max. */
static int take_digits(const char **p, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value) || value > max)
			return -ERANGE;
	}
	*p = s;
	*ret_value = value;
	return 0;
}

/* A decimal number of digits only, 0 to max. 0, -EINVAL (not a number) or -ERANGE. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	int r = take_digits(&text, max, &value);

	if (r < 0)
		return r;
	if (*text != '\0')
		return -EINVAL;
	*ret_value = value;
	return 0;
}

/* 1 to 16 hexadecimal digits, without 0x, as in /proc/PID/status. 0 or -EINVAL. */
int parse_hex_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t n = 0;

	for (; text[n] != '\0'; n++) {
		char c = text[n];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			digit = (unsigned)(c - 'A') + 10;
		else
			return -EINVAL;
		if (n == 16)
			return -EINVAL;
		value = value << 4 | digit;
	}
	if (n == 0)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret_value)
{
	uint64_t value;
	int r = take_digits(&text, UINT64_MAX, &value);

	if (r < 0)
		return r;
	for (; units->name; units++)
		if (strcmp(text, units->name) == 0) {
			if (value > UINT64_MAX / units->factor)
				return -ERANGE;
			*ret_value = value * units->factor;
			return 0;
		}
	return -EINVAL;
}

/* A size in bytes, with K, M, G or T for powers of 1024: "512", "16M". 0, -EINVAL or -ERANGE. */
int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },	     { "K", 1ULL << 10 }, { "M", 1ULL << 20 },
		{ "G", 1ULL << 30 }, { "T", 1ULL << 40 }, { NULL, 0 },
	};

	return parse_with_unit(text, units, ret_bytes);
}

/* A time in ms: "250ms", "30s" (or "30"), "10min", "2h". 0, -EINVAL or -ERANGE. */
int parse_duration_ms(const char *text, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "", 1000 },	  { "ms", 1 },	    { "s", 1000 },
		{ "min", 60000 }, { "h", 3600000 }, { NULL, 0 },
	};

	return parse_with_unit(text, units, ret_ms);
}

/* yes, true, on, 1 or no, false, off, 0, in any case. 0 or -EINVAL. */
int parse_bool(const char *text, bool *ret_value)
{
	static const char *const words[2][4] = { { "no", "false", "off", "0" },
						 { "yes", "true", "on", "1" } };

	for (int value = 0; value < 2; value++)
		for (size_t i = 0; i < 4; i++)
			if (strcasecmp(text, words[value][i]) == 0) {
				*ret_value = value;
				return 0;
			}
	return -EINVAL;
}
