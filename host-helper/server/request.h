/* SPDX-License-Identifier: MIT */
/*
 * A request, from its first line to its line in the log: libmicrohttpd's callbacks, and the routes.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "server.h"

struct request;

/* What the headers say, for a route; it is gone when the route's begin() returns. */
struct request_head {
	const char *method, *path; /* as they were sent */
	bool has_length;	   /* a body is announced, if only of no bytes */
	bool has_body;		   /* and it may have some */
};

/* What a route does with a request after its headers: each may be NULL. */
struct request_work {
	/* A piece of the body; *len: what is left of it for later.  An answer that is set ends it.
	 */
	void (*take)(void *context, const char *data, size_t *len, struct answer *answer);
	/* The whole request is there, or one that was suspended goes on.  Sets the answer, or
	   queues one itself with request_queue(), or suspends the connection. */
	enum MHD_Result (*end)(struct request *request, void *context, struct answer *answer);
	/* The answer is sent, or the connection is gone. */
	void (*free)(void *context);
};

/* begin() either sets the answer or gives the request its work. */
struct route {
	/* Is the path (as it was sent) one of this route?  NULL ends the table. */
	bool (*matches)(const struct server *server, const char *path);
	const char *methods; /* as the header Allow tells them: "GET, HEAD" */
	bool by_method;	 /* with another method it is not this route's: one behind it is asked */
	bool takes_body; /* else a request with one is refused */
	void (*begin)(struct request *request, const struct request_head *head,
		      struct answer *answer);
};

enum MHD_Result request_handle(void *server, struct MHD_Connection *mhd, const char *path,
			       const char *method, const char *version, const char *data,
			       size_t *data_len, void **context);
void request_completed(void *server, struct MHD_Connection *mhd, void **context,
		       enum MHD_RequestTerminationCode code);
size_t request_keep_path(void *context, struct MHD_Connection *mhd, char *path);

struct server *request_server(const struct request *request);
struct MHD_Connection *request_connection(const struct request *request);
void request_set_work(struct request *request, const struct request_work *work, void *context);
void request_wait(struct request *request);
void request_go_on(struct request *request);
enum MHD_Result request_queue(struct request *request, unsigned status,
			      struct MHD_Response *response);
void request_moved(struct request *request, size_t bytes);
void request_sends(struct request *request, uint64_t bytes);
