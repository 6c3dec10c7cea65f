/* SPDX-License-Identifier: MIT */
/*
 * What every fuzz target has: the function that libFuzzer (or replay.c) calls, its input as a
 * string, and an assert() that no build option turns off.
 */
#pragma once

#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes with a NUL behind (free it), in a block of just that size: one byte on is a finding. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* The next byte of the input, which moves on behind it; 0 at the end. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size)
{
	if (*size == 0)
		return 0;
	--*size;
	return *(*data)++;
}

/* True for a text that can go to a log: it ends, and acts on no terminal. */
static inline bool fuzz_is_printable(const char *text, size_t space)
{
	size_t len = strnlen(text, space);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
			return false;
	}
	return len < space;
}
