/* SPDX-License-Identifier: MIT */
/*
 * SIGTERM, for those who have something to put away before they end.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

extern volatile sig_atomic_t end_signal_came;

int end_signal_watch(void);
bool end_signal_wait(uint64_t ms);
