// SPDX-License-Identifier: MIT
/*
 * PUT /ANYTHING/ID.core.zst: an upload of a core.
 */
#include "log.h"
#include "receive-headers.h"
#include "receive.h"
#include "routes.h"
#include "tokens.h"

/* True for the path of an upload, where uploads are taken. */
bool receive_route_matches(const struct server *server, const char *path)
{
	char id[CRASH_ID_SIZE];
	bool zst;

	return server->receive && receive_path_to_id(path, id, &zst) == 0;
}

/*
 * May this request upload?  Where no tokens are set up, everybody may.  *ret_directory is where to,
 * below the directory of --receive, and lives as long as the server.
 */
bool receive_authorize(struct request *request, const char **ret_directory, struct answer *refusal)
{
	const struct tokens *tokens = request_server(request)->tokens;
	const struct token *token = NULL;

	*ret_directory = "";
	if (!tokens)
		return true;
	if (tokens_allow(tokens, request_connection(request), TOKEN_UPLOAD, &token)) {
		*ret_directory = token->directory;
		return true;
	}
	if (token) {
		log_warning("token %s: tried to upload, and may not", token->name);
		answer_set(refusal, MHD_HTTP_FORBIDDEN, "this token may not upload");
		return false;
	}
	answer_set(refusal, MHD_HTTP_UNAUTHORIZED, "wants a token: Authorization: Bearer TOKEN");
	answer_add_header(refusal, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	return false;
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
	const char *directory;
	bool zst;

	if (!head->has_length) {
		answer_set(answer, MHD_HTTP_LENGTH_REQUIRED,
			   "wants Content-Length or Transfer-Encoding: chunked");
		return;
	}
	if (!receive_authorize(request, &directory, answer) ||
	    receive_path_to_id(head->path, id, &zst) < 0)
		return;
	struct receive *receive = receive_begin(
		request_server(request), request_connection(request), directory, id, zst, answer);
	if (receive)
		request_set_work(request, &work, receive);
}
