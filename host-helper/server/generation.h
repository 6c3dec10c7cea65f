/* SPDX-License-Identifier: MIT */
/*
 * One server with one configuration.  A reload starts the next one on the same sockets, while this
 * one goes on with the requests that it has.
 */
#pragma once

#include "listener.h"
#include "options.h"
#include "server.h"
#include "tls.h"

/* What all generations share; it is opened once, while there may be rights. */
struct base {
	struct options options;
	bool pull, receive;
	struct store store, received;
	char *store_path, *received_path; /* the second is absolute */
	int uploads_fd;
	int exec_fd; /* -1: nothing is started when a core arrives */
	struct listeners listeners;
};

struct MHD_Daemon;

struct generation {
	struct generation *next;
	struct server server;
	struct tls tls;
	struct MHD_Daemon *http[LISTENERS_MAX];
	size_t http_count;
	bool has_stopped_waiting;
	uint64_t drain_until_ms;
};

int generation_new(const struct base *base, struct generation **ret_generation);
int generation_start(struct generation *generation, const struct base *base);
void generation_raise_descriptors(void);
void generation_stop_waiting(struct generation *generation);
void generation_quiesce(struct generation *generation);
bool generation_is_idle(struct generation *generation);
void generation_free(struct generation **generation);
