/* SPDX-License-Identifier: MIT */
/*
 * Pulls that wait for a capture which is under way.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "server.h"

struct pull_waiter {
	struct pull_waiter *next;
	struct MHD_Connection *mhd;
	uint64_t until_ms;
};

int pull_wait_start(const struct server *server, struct pull_wait **ret_wait);
bool pull_wait_add(struct pull_wait *wait, struct pull_waiter *waiter);
void pull_wait_stop(struct pull_wait *wait);
void pull_wait_free(struct pull_wait **wait);
