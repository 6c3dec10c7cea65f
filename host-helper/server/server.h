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
struct receive_quota;
struct tokens;
struct tus_finish;

struct server {
	struct config config;
	bool pull; /* GET /core, from store */
	struct store store;
	bool receive;	       /* PUT, into received */
	struct store received; /* crashes_fd is the directory of --receive: the same layout */
	int uploads_fd;	       /* .uploads in it, for tus */
	struct receive_quota *quota;
	struct tus_finish *tus_finish;
	struct tokens *tokens; /* NULL: none are asked for */

	struct connections connections;
	struct pull_wait *pull_wait;
	atomic_uint requests; /* under way */
	atomic_uint uploads;
};
