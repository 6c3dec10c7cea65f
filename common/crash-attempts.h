/* SPDX-License-Identifier: MIT */
/*
 * The delivery log of a record: each attempt to hand the core over.  Pure.
 *
 * What an attempt says of itself (url, protocol, numbers) is the container's word; in the JSON it
 * is escaped.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The first one and the last ones are kept. */
#define CRASH_ATTEMPTS_MAX 32

struct crash_attempt {
	uint32_t number;  /* from 1 */
	uint64_t time_us; /* when it was started: µs since 1970 */
	uint64_t duration_ms;
	bool is_under_way;
	char *protocol, *url;
	uint32_t status;		  /* last HTTP status, 0: none */
	uint64_t sent;			  /* bytes that it sent */
	uint64_t offset, total;		  /* bytes that the endpoint says it has, and is to have */
	char *verified;			  /* how the endpoint's word was checked, or NULL */
	int32_t exit_status, term_signal; /* -1, 0: none */
	char *reason;			  /* why it ended, or NULL */
};

struct crash_attempts {
	uint32_t count; /* of all */
	uint32_t kept;
	struct crash_attempt items[CRASH_ATTEMPTS_MAX];
};

struct crash_attempt *crash_attempts_add(struct crash_attempts *attempts, uint64_t time_us);
struct crash_attempt *crash_attempts_last(struct crash_attempts *attempts);
void crash_attempts_release(struct crash_attempts *attempts);
json_t *crash_attempts_to_json(const struct crash_attempts *attempts);
int crash_attempts_from_json(const json_t *array, uint32_t count, struct crash_attempts *attempts);
