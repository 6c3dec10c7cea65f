/* SPDX-License-Identifier: MIT */
/*
 * What time it is: for records the calendar's, for deadlines one that never jumps.
 */
#pragma once

#include <stdint.h>
#include <time.h>

/* µs since 1970. */
static inline uint64_t clock_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* µs since some moment. */
static inline uint64_t clock_monotonic_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ms since the same moment. */
static inline uint64_t clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}
