// SPDX-License-Identifier: MIT
/*
 * GET /core: the newest core, waited for while it is being captured.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fd.h"
#include "limits.h"
#include "log.h"
#include "pull-wait.h"
#include "pull.h"
#include "routes.h"

/* True for /core, where cores are served. */
bool pull_route_matches(const struct server *server, const char *path)
{
	return server->pull && strcmp(path, "/core") == 0;
}

static enum MHD_Result end(struct request *request, void *context, struct answer *answer)
{
	struct pull_waiter *waiter = context;
	struct server *server = request_server(request);
	cleanup_crash struct crash crash;
	cleanup_core_reader struct core_reader *reader = NULL;
	uint64_t now_ms = clock_monotonic_ms();

	crash_init(&crash);
	int found = pull_find(server, &crash, &reader);
	if (found == PULL_FOUND)
		return pull_send(request, &crash, &reader);

	if (found == PULL_PENDING) {
		if (waiter->until_ms == 0)
			waiter->until_ms = now_ms + LIMIT_PULL_WAIT_MS;
		waiter->mhd = request_connection(request);
		if (now_ms < waiter->until_ms && pull_wait_add(server->pull_wait, waiter))
			return MHD_YES;
	}
	if (found < 0) {
		log_error("the store cannot be read: %s", strerror(-found));
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the store cannot be read");
	} else {
		answer_set(answer, MHD_HTTP_NOT_FOUND, "no recent core");
	}
	return MHD_YES;
}

static const struct request_work work = { .end = end, .free = free };

/* Looks for the core when the request is complete. */
void pull_route_begin(struct request *request, const struct request_head *head,
		      struct answer *answer)
{
	struct pull_waiter *waiter = calloc(1, sizeof(*waiter));

	(void)head;
	if (waiter)
		request_set_work(request, &work, waiter);
	else
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
}
