/* SPDX-License-Identifier: MIT */
/*
 * Strict parsers of numbers, sizes, times and answers.  Pure: text in, value out.
 *
 * The text may come from anyone.  Nothing is skipped, guessed or cut: what is not wholly a value is
 * refused, and then the result is left as it was.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

int parse_u64(const char *text, uint64_t max, uint64_t *ret_value);
int parse_hex_u64(const char *text, uint64_t *ret_value);
int parse_size(const char *text, uint64_t *ret_bytes);
int parse_duration_ms(const char *text, uint64_t *ret_ms);
int parse_bool(const char *text, bool *ret_value);
