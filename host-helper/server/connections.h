/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of connections: libmicrohttpd ends those that are silent, this ends those that drip.
 */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct connection;

struct connections {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct connection *first;
	bool is_started, stopping;
};

enum connection_state {
	CONNECTION_HEADERS,   /* the peer must send a request */
	CONNECTION_RECEIVING, /* a body comes */
	CONNECTION_SENDING,   /* an answer goes */
	CONNECTION_OURS,      /* we are busy: the peer can do nothing */
};

int connections_start(struct connections *connections);
void connections_stop(struct connections *connections);
void connections_notify(void *connections, struct MHD_Connection *mhd, void **context,
			enum MHD_ConnectionNotificationCode code);

struct connection *connection_of(struct MHD_Connection *mhd);
void connection_set_state(struct connection *connection, enum connection_state state);
void connection_moved(struct connection *connection, size_t bytes);
bool connection_was_late(const struct connection *connection);
