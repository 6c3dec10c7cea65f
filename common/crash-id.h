/* SPDX-License-Identifier: MIT */
/*
 * The name of a crash: 20261121T023753.123456Z-4166-9f3c.  Pure.
 *
 * It is a directory name, a URL segment and an argument, so it holds nothing that the victim chose,
 * and whoever takes one from outside asks crash_id_is_valid() first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 23 characters of time, up to 10 of pid, 4 of hexadecimal digits, two dashes, NUL; rounded up. */
#define CRASH_ID_SIZE 48

int crash_id_format(uint64_t time_us, uint32_t pid, uint16_t random, char id[CRASH_ID_SIZE]);
bool crash_id_is_valid(const char *id);
int crash_id_parse(const char *id, uint64_t *ret_time_us, uint32_t *ret_pid);
int crash_time_format(uint64_t time_us, char text[32]);
