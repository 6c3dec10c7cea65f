/* SPDX-License-Identifier: MIT */
/*
 * The fields of a record's JSON: written so that all that a victim chose is escaped, and read by
 * type.  Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int json_put(json_t *object, const char *key, json_t *value);
int json_put_u64(json_t *object, const char *key, uint64_t value);
int json_put_positive(json_t *object, const char *key, uint64_t value);
int json_put_text(json_t *object, const char *key, const char *value);
int json_put_time(json_t *object, const char *key, uint64_t time_us);

int json_get_text(const json_t *object, const char *key, char **field);
uint64_t json_get_u64(const json_t *object, const char *key);
uint32_t json_get_u32(const json_t *object, const char *key);
