// SPDX-License-Identifier: MIT
/*
 * GET /cores: a list of crashes, newest first, page by page.
 *
 * The query is the peer's, the records hold what victims chose: jansson escapes it.  A page ends at
 * an id, so crashes that come meanwhile do not move those that follow.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api-query.h"
#include "api.h"
#include "clock.h"
#include "fd.h"
#include "limits.h"

struct page {
	const struct visibility *visibility;
	const struct api_query *query;
	char (*ids)[CRASH_ID_SIZE]; /* query->limit of them */
	bool *root_only;
	size_t count;
	bool has_more;
};

static int take(void *context, const struct index_entry *e)
{
	const struct crash_summary summary = { e->time_us,	  e->pid,	  e->signal, e->exe,
					       e->container_name, e->container_id };
	struct page *page = context;

	/* Of what is for root only nothing is told but that it exists. */
	if (!visibility_allows(page->visibility, e) ||
	    (e->root_only && api_query_asks_for_more_than_time(page->query)) ||
	    !crash_filter_matches(&page->query->filter, &summary))
		return 0;
	if (page->count == page->query->limit) {
		page->has_more = true;
		return 1;
	}
	memcpy(page->ids[page->count], e->id, CRASH_ID_SIZE);
	page->root_only[page->count++] = e->root_only;
	return 0;
}

static json_t *make_item(const struct server *server, const char *id, bool root_only)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	int r = store_open_crash(&server->store, id, &dirfd);
	if (r == 0)
		r = store_read_record(dirfd, &crash);
	if (r == -ENOENT)
		return json_null(); /* removed meanwhile */
	return api_crash_summary(id, r == 0 && !root_only ? &crash : NULL);
}

static json_t *make_page(const struct server *server, const struct page *page)
{
	json_t *list = json_array(), *object = json_object();

	for (size_t i = 0; i < page->count; i++) {
		json_t *item = make_item(server, page->ids[i], page->root_only[i]);

		if (!json_is_null(item))
			json_array_append_new(list, item);
	}
	json_object_set_new(object, "cores", list);
	json_object_set_new(object, "next",
			    page->has_more ? json_string(page->ids[page->count - 1]) : json_null());
	return object;
}

/* Answers with the crashes that are asked for, as far as the peer may see them. */
void api_list(struct request *request, const struct visibility *visibility, struct answer *answer)
{
	struct server *server = request_server(request);
	struct api_query query;
	struct page page = { .visibility = visibility, .query = &query };

	if (api_query_read(request_connection(request), clock_now_us(), &query) < 0) {
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "%s", query.why);
		return;
	}
	cleanup_free char(*ids)[CRASH_ID_SIZE] = calloc(query.limit, CRASH_ID_SIZE);
	cleanup_free bool *root_only = calloc(query.limit, sizeof(*root_only));
	if (!ids || !root_only) {
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
		return;
	}
	page.ids = ids;
	page.root_only = root_only;
	(void)store_index_walk(server->index, query.cursor[0] ? query.cursor : NULL, take, &page);
	api_answer_json(answer, MHD_HTTP_OK, make_page(server, &page));
}
