/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before the next attempt.  Pure.
 */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST_MS       500U
#define BACKOFF_MOST_MS	       60000U
#define BACKOFF_RETRY_AFTER_MS 300000U /* what an endpoint may ask for: it is anyone's word */

uint64_t backoff_ms(unsigned failures, uint32_t retry_after_s, uint32_t random);
