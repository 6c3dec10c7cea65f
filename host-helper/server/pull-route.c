// SPDX-License-Identifier: MIT
/*
 * GET /core: the newest core, waited for while it is being captured.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core-send.h"
#include "fd.h"
#include "limits.h"
#include "parse.h"
#include "pull.h"
#include "routes.h"
#include "waiters.h"

struct pull {
	struct waiter waiter;
	struct visibility visibility;
	uint64_t deadline_ms;
};

/* True for /core, where cores are served. */
bool pull_route_matches(const struct server *server, const char *path)
{
	return server->pull && strcmp(path, "/core") == 0;
}

static enum MHD_Result end(struct request *request, void *context, struct answer *answer)
{
	struct server *server = request_server(request);
	struct pull *pull = context;
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;
	uint64_t seen = waiters_now(server->waiters);

	crash_init(&crash);
	int found = pull_find(server, &pull->visibility, &dirfd, &crash);
	if (found == PULL_FOUND)
		return core_send(request, &dirfd, &crash, CORE_FORM_RAW, answer);
	if (found == PULL_PENDING && clock_monotonic_ms() < pull->deadline_ms) {
		pull->waiter.mhd = request_connection(request);
		pull->waiter.until_ms = pull->deadline_ms;
		if (waiters_add(server->waiters, &pull->waiter, seen))
			return MHD_YES;
	}
	answer_set(answer, MHD_HTTP_NOT_FOUND, "no recent core");
	return MHD_YES;
}

static const struct request_work work = { .end = end, .free = free };

struct query {
	uint64_t wait_ms;
	bool is_good;
};

static enum MHD_Result take_argument(void *context, enum MHD_ValueKind kind, const char *key,
				     const char *value)
{
	struct query *query = context;
	uint64_t seconds;

	(void)kind;
	if (strcmp(key, "wait") != 0)
		return MHD_YES; /* what clients of other servers put there */
	query->is_good = value && parse_u64(value, LIMIT_PULL_WAIT_MAX_MS / 1000, &seconds) == 0;
	if (query->is_good)
		query->wait_ms = seconds * 1000;
	return query->is_good ? MHD_YES : MHD_NO;
}

/* Looks for the core when the request is complete. */
void pull_route_begin(struct request *request, const struct request_head *head,
		      struct answer *answer)
{
	struct query query = { LIMIT_PULL_WAIT_MS, true };
	struct pull *pull = calloc(1, sizeof(*pull));

	(void)head;
	if (!pull) {
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
		return;
	}
	MHD_get_connection_values(request_connection(request), MHD_GET_ARGUMENT_KIND, take_argument,
				  &query);
	visibility_of(request, TOKEN_READ, &pull->visibility);
	pull->deadline_ms = clock_monotonic_ms() + query.wait_ms;
	request_set_work(request, &work, pull);
	if (!query.is_good)
		answer_set(answer, MHD_HTTP_BAD_REQUEST,
			   "wait: wants a number of seconds, up to %d",
			   LIMIT_PULL_WAIT_MAX_MS / 1000);
}
