// SPDX-License-Identifier: MIT
/*
 * PUT /ANYTHING/ID.core.zst: an upload of a core.
 */
#include "receive-headers.h"
#include "receive.h"
#include "routes.h"

/* True for the path of an upload, where uploads are taken. */
bool receive_route_matches(const struct server *server, const char *path)
{
	char id[CRASH_ID_SIZE];
	bool zst;

	return server->receive && receive_path_to_id(path, id, &zst) == 0;
}

static void take(void *context, const char *data, size_t *len, struct answer *answer)
{
	receive_take(context, data, len, answer);
}

static enum MHD_Result end(struct request *request, void *context, struct answer *answer)
{
	(void)request;
	receive_end(context, answer);
	return MHD_YES;
}

static void free_receive(void *context)
{
	struct receive *receive = context;

	receive_free(&receive);
}

static const struct request_work work = { take, end, free_receive };

/* Begins to receive. */
void receive_route_begin(struct request *request, const struct request_head *head,
			 struct answer *answer)
{
	char id[CRASH_ID_SIZE];
	bool zst;

	if (!head->has_length) {
		answer_set(answer, MHD_HTTP_LENGTH_REQUIRED,
			   "wants Content-Length or Transfer-Encoding: chunked");
		return;
	}
	if (receive_path_to_id(head->path, id, &zst) < 0)
		return;
	struct receive *receive = receive_begin(request_server(request),
						request_connection(request), id, zst, answer);
	if (receive)
		request_set_work(request, &work, receive);
}
