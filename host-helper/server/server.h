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

<<<<<<< HEAD
struct pull_wait;
struct receive_quota;
struct tokens;
struct tus_finish;
=======
struct store_index;
struct unpack_turns;
struct waiters;
>>>>>>> 8d66407 (coreferryd: a container sees its own crashes only; an index in memory; ranges, zstd, a bounded number of unpackers)

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
	struct waiters *waiters;
	struct store_index *index; /* of store; NULL where nothing is served */
	struct unpack_turns *unpack_turns;
	atomic_uint requests; /* under way */
	atomic_uint uploads;
};
