/* SPDX-License-Identifier: MIT */
/*
 * Bytes that someone else chose, made fit for a record, a terminal, a log or an HTTP header, and
 * back.  Pure.  The input is the attacker's, always.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

char *text_escape(const char *bytes, size_t len);
char *text_unescape(const char *text, size_t *ret_len);
char *text_percent_encode(const char *bytes, size_t len);
int text_percent_decode(const char *text, char **ret_bytes, size_t *ret_len);
const char *text_basename(const char *path);
