/* SPDX-License-Identifier: MIT */
/*
 * What all requests share.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"
#include "connections.h"
#include "store.h"

struct pull_wait;

struct server {
	struct config config;
	bool pull; /* GET /core, from store */
	struct store store;
	bool receive;	       /* PUT, into received */
	struct store received; /* crashes_fd is the directory of --receive: the same layout */

	struct connections connections;
	struct pull_wait *pull_wait;
	atomic_uint requests; /* under way */
	atomic_uint uploads;
};
