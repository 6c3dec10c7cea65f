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

struct receive_quota;
struct store_index;
struct tokens;
struct tus_finish;
struct unpack_turns;
struct waiters;

struct server {
	struct config config;
	bool pull; /* GET /core, from store */
	struct store store;
	bool receive;	       /* PUT, into received */
	struct store received; /* crashes_fd is the directory of --receive: the same layout */
	const char *received_path;
	int uploads_fd; /* .uploads in it, for tus */
	int exec_fd;	/* exec_notify(), or -1 */
	struct receive_quota *quota;
	struct tus_finish *tus_finish;
	struct tokens *tokens; /* NULL: none are asked for */

	struct connections connections;
	struct waiters *waiters;
	struct store_index *index; /* of store; NULL where nothing is served */
	struct unpack_turns *unpack_turns;
	atomic_uint requests; /* under way */
	atomic_uint uploads;
	atomic_uint followers;	    /* of /events */
	atomic_ullong use_bytes;    /* how large the store was, */
	atomic_ullong use_until_ms; /* and until when that holds */
};
