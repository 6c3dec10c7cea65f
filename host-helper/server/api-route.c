// SPDX-License-Identifier: MIT
/*
 * GET /cores, /cores/ID and what is below it; DELETE /cores/ID.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "api.h"
#include "fd.h"
#include "routes.h"

/* True for what is below /cores, where cores are served. */
bool api_route_matches(const struct server *server, const char *path)
{
	struct api_path parsed;

	return server->pull && api_parse_path(path, &parsed);
}

/* Answers with JSON (a json_t, which is taken; NULL: no memory). */
void api_answer_json(struct answer *answer, unsigned status, void *json)
{
	cleanup_free char *text =
		json ? json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
	cleanup_free char *body = NULL;
	int len = text ? asprintf(&body, "%s\n", text) : -1;

	json_decref(json);
	if (len < 0) {
		body = NULL;
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
	} else {
		answer_take_body(answer, status, "application/json", &body, (size_t)len);
	}
}

struct found {
	const struct visibility *visibility;
	bool root_only;
};

static int look(void *context, const struct index_entry *e)
{
	struct found *found = context;

	found->root_only = e->root_only;
	return visibility_allows(found->visibility, e) ? 0 : -ENOENT;
}

/* 0: the peer may see this crash; -ENOENT: there is none, or it may not, which it cannot tell
 * apart. */
int api_find(const struct server *server, const char *id, const struct visibility *visibility,
	     bool *ret_root_only)
{
	struct found found = { visibility, true };
	int r = store_index_find(server->index, id, look, &found);

	if (r == 0)
		*ret_root_only = found.root_only;
	return r;
}

/* Answers, or prepares to. */
void api_route_begin(struct request *request, const struct request_head *head,
		     struct answer *answer)
{
	struct visibility visibility;
	struct api_path path;

	if (!api_parse_path(head->path, &path))
		return;
	store_index_catch_up(request_server(request)->index);
	if (strcmp(head->method, MHD_HTTP_METHOD_DELETE) == 0) {
		visibility_of(request, TOKEN_DELETE, &visibility);
		if (path.what == API_RECORD)
			api_delete(request, path.id, &visibility, answer);
		else
			answer_set(answer, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "only a crash as a whole can be removed: /cores/ID");
		return;
	}
	visibility_of(request, TOKEN_READ, &visibility);
	if (path.what == API_LIST)
		api_list(request, &visibility, answer);
	else
		api_crash_begin(request, &path, &visibility, answer);
}
