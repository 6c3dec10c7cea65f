/* SPDX-License-Identifier: MIT */
/*
 * Numbers, times and other people's bytes, as a person reads them on a terminal.
 *
 * The bytes are the victim's, always: what comes out of here is printable and of bounded width.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define SHOW_SIZE_SIZE 16
#define SHOW_TIME_SIZE 48

void show_size(uint64_t bytes, char text[SHOW_SIZE_SIZE]);
void show_local_time(uint64_t time_us, char text[SHOW_TIME_SIZE]);
char *show_text(const char *bytes, const char *instead);
char *show_tail(const char *bytes, size_t columns, const char *instead);
size_t show_columns(const char *text);
int show_json(const json_t *value);
