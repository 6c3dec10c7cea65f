// SPDX-License-Identifier: MIT
/*
 * GET /events: crashes as they are published, as server-sent events.
 *
 * A follower is a connection that never ends: it is suspended until something happens or it is time
 * for a sign of life, and there are only so many of them.  See: HTML, 9.2 (server-sent events).
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "clock.h"
#include "core-send.h"
#include "fd.h"
#include "limits.h"
#include "routes.h"
#include "waiters.h"

#define EVENT_BLOCK (16U << 10)

struct follower {
	struct waiter waiter;
	struct request *request;
	struct server *server;
	struct visibility visibility;
	uint64_t number; /* of the last crash that it was told of */
	char *pending;	 /* what is to be sent */
	size_t pending_len, sent;
	uint64_t heartbeat_ms;
	bool is_counted;
};

/* True for /events, where cores are served. */
bool events_route_matches(const struct server *server, const char *path)
{
	return server->pull && strcmp(path, "/events") == 0;
}

struct next {
	const struct follower *follower;
	uint64_t number;
	char id[CRASH_ID_SIZE];
	bool root_only;
};

/* Of those that it was not told of, the one that was published first. */
static int find_next(void *context, const struct index_entry *e)
{
	struct next *next = context;

	if (e->number > next->follower->number && e->number < next->number &&
	    visibility_allows(&next->follower->visibility, e)) {
		next->number = e->number;
		next->root_only = e->root_only;
		memcpy(next->id, e->id, sizeof(next->id));
	}
	return 0;
}

static json_t *describe(const struct server *server, const struct next *next)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	bool known = !next->root_only && core_send_open(server, next->id, &dirfd, &crash) == 0;
	return api_crash_summary(next->id, known ? &crash : NULL);
}

/* The next event, or a sign of life if it is time for one.  False: there is nothing to send now. */
static bool fill(struct follower *f)
{
	struct next next = { .follower = f, .number = UINT64_MAX };
	uint64_t now_ms = clock_monotonic_ms();
	int len = -1;

	(void)store_index_walk(f->server->index, NULL, find_next, &next);
	if (next.number != UINT64_MAX) {
		json_t *event = describe(f->server, &next);
		/* In one line, ASCII only: nothing in it can end the event. */
		cleanup_free char *text =
			event ? json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

		json_decref(event);
		f->number = next.number;
		len = text ? asprintf(&f->pending, "id: %s\nevent: crash\ndata: %s\n\n", next.id,
				      text)
			   : -1;
	} else if (now_ms >= f->heartbeat_ms) {
		len = asprintf(&f->pending, ":\n\n");
	}
	if (len < 0) {
		f->pending = NULL;
		return false;
	}
	f->heartbeat_ms = now_ms + LIMIT_HEARTBEAT_MS;
	f->pending_len = (size_t)len;
	f->sent = 0;
	return true;
}

static ssize_t read_events(void *context, uint64_t position, char *buf, size_t max)
{
	struct follower *f = context;
	uint64_t seen = waiters_now(f->server->waiters);

	(void)position;
	if (!f->pending && !fill(f)) {
		f->waiter.mhd = request_connection(f->request);
		f->waiter.until_ms = f->heartbeat_ms;
		return waiters_add(f->server->waiters, &f->waiter, seen)
			       ? 0
			       : MHD_CONTENT_READER_END_OF_STREAM;
	}
	size_t left = f->pending_len - f->sent;
	size_t n = left < max ? left : max;
	memcpy(buf, f->pending + f->sent, n);
	f->sent += n;
	if (f->sent == f->pending_len) {
		free(f->pending);
		f->pending = NULL;
	}
	request_moved(f->request, n);
	return (ssize_t)n;
}

static void free_follower(void *context)
{
	struct follower *f = context;

	if (f->is_counted)
		atomic_fetch_sub(&f->server->followers, 1);
	free(f->pending);
	free(f);
}

static int take_number(void *context, const struct index_entry *e)
{
	*(uint64_t *)context = e->number;
	return 0;
}

static int take_highest(void *context, const struct index_entry *e)
{
	uint64_t *highest = context;

	*highest = e->number > *highest ? e->number : *highest;
	return 0;
}

struct before {
	const char *id;
	uint64_t number;
};

/* Of one that was removed the id tells when it was: all that are older were told of before. */
static int take_older(void *context, const struct index_entry *e)
{
	struct before *before = context;

	if (strcmp(e->id, before->id) < 0 && e->number > before->number)
		before->number = e->number;
	return 0;
}

/* Where it goes on: behind Last-Event-ID, else with what comes from now on.  -EINVAL: no such id.
 */
static int find_start(struct request *request, struct follower *f)
{
	const char *last = MHD_lookup_connection_value(request_connection(request), MHD_HEADER_KIND,
						       "Last-Event-ID");
	struct store_index *index = f->server->index;

	if (!last)
		return store_index_walk(index, NULL, take_highest, &f->number);
	if (!crash_id_is_valid(last))
		return -EINVAL;
	if (store_index_find(index, last, take_number, &f->number) == 0)
		return 0;
	struct before before = { last, 0 };
	(void)store_index_walk(index, NULL, take_older, &before);
	f->number = before.number;
	return 0;
}

static enum MHD_Result end(struct request *request, void *context, struct answer *answer)
{
	struct follower *f = context;
	enum MHD_Result r = MHD_NO;

	(void)answer;
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, EVENT_BLOCK, read_events, f, NULL);
	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream") ==
		    MHD_YES &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES)
		r = request_queue(request, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	/* It waits for us; one that does not read is ended by libmicrohttpd's timeout. */
	request_wait(request);
	return r;
}

static const struct request_work work = { .end = end, .free = free_follower };

/* Begins to follow. */
void events_route_begin(struct request *request, const struct request_head *head,
			struct answer *answer)
{
	struct server *server = request_server(request);
	struct follower *f = calloc(1, sizeof(*f));

	(void)head;
	if (!f) {
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
		return;
	}
	f->request = request;
	f->server = server;
	f->heartbeat_ms = clock_monotonic_ms(); /* so that the client sees at once that it is on */
	f->is_counted = true;
	request_set_work(request, &work, f);
	if (atomic_fetch_add(&server->followers, 1) >= LIMIT_FOLLOWERS) {
		answer_set(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "too many followers");
		answer_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "60");
		return;
	}
	visibility_of(request, TOKEN_READ, &f->visibility);
	if (find_start(request, f) < 0)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Last-Event-ID: wants a crash's id");
}
