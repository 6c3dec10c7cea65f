/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait for something to happen in the store, or for a time.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct waiters;

struct waiter {
	struct waiter *next;
	struct MHD_Connection *mhd;
	uint64_t until_ms; /* CLOCK_MONOTONIC */
};

int waiters_start(struct waiters **ret_waiters);
bool waiters_add(struct waiters *waiters, struct waiter *waiter, uint64_t seen);
uint64_t waiters_now(struct waiters *waiters);
void waiters_wake(void *waiters);
void waiters_stop(struct waiters *waiters);
void waiters_free(struct waiters **waiters);
