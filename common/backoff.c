// SPDX-License-Identifier: MIT
/*
 * How long to wait before the next attempt.  Pure.
 */
#include "backoff.h"

#define DOUBLINGS 7 /* from the first pause to beyond the longest */

/*
 * The pause in ms: half a second that doubles up to a minute, half of it to one and a half, as the
 * random number has it, so that those who failed together do not come again together; and no less
 * than the endpoint asked for, up to a bound.  failures: in a row, without any progress, from 1.
 */
uint64_t backoff_ms(unsigned failures, uint32_t retry_after_s, uint32_t random)
{
	unsigned doublings = failures > DOUBLINGS ? DOUBLINGS : failures > 0 ? failures - 1 : 0;
	uint64_t base = (uint64_t)BACKOFF_FIRST_MS << doublings;
	uint64_t asked = (uint64_t)retry_after_s * 1000;

	if (base > BACKOFF_MOST_MS)
		base = BACKOFF_MOST_MS;
	if (asked > BACKOFF_RETRY_AFTER_MS)
		asked = BACKOFF_RETRY_AFTER_MS;
	uint64_t jitter = random % (base + 1);
	uint64_t pause = base / 2 + jitter;

	return pause >= asked ? pause : asked + jitter / 2;
}
