// SPDX-License-Identifier: MIT
/*
 * The query of GET /cores: "key=value", percent-encoded.  api_query_take() is pure.
 *
 * All of it is the peer's.  What is not understood is refused: a filter that is ignored would show
 * more than was asked for.
 */
#include "api-query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fd.h"
#include "limits.h"
#include "parse.h"
#include "text.h"

#define VALUE_MAX 1024

/* The defaults: the newest ones, all of them. */
void api_query_init(struct api_query *query, uint64_t now_us)
{
	*query = (struct api_query){ .limit = LIMIT_LIST, .now_us = now_us };
}

static int refuse(struct api_query *query, const char *key, const char *why)
{
	/* It goes back to whoever sent it, as text: of a key that is not ours nothing does. */
	snprintf(query->why, sizeof(query->why), "%s%s%s", key, *key ? ": " : "", why);
	return -EINVAL;
}

static int take_limit(struct api_query *query, const char *value)
{
	uint64_t limit;

	if (parse_u64(value, LIMIT_LIST_MAX, &limit) < 0 || limit == 0)
		return refuse(query, "limit", "wants a number from 1 to 1000");
	query->limit = (uint32_t)limit;
	return 0;
}

static int take_cursor(struct api_query *query, const char *value)
{
	if (!crash_id_is_valid(value))
		return refuse(query, "cursor", "wants what \"next\" of the page before said");
	snprintf(query->cursor, sizeof(query->cursor), "%s", value);
	return 0;
}

/* "+" is a space in a query, whoever makes it. */
static int decode(const char *value, char **ret_text)
{
	size_t len;
	cleanup_free char *spaced = strndup(value, VALUE_MAX + 1);

	if (!spaced || strlen(spaced) > VALUE_MAX)
		return -EINVAL;
	for (char *p = spaced; *p; p++)
		*p = *p == '+' ? ' ' : *p;
	int r = text_percent_decode(spaced, ret_text, &len);
	if (r == 0 && strlen(*ret_text) != len)
		r = -EINVAL; /* a NUL in it */
	return r;
}

/* Takes one key with its value, as they were sent (value NULL: there is no "="). -EINVAL:
 * query->why. */
int api_query_take(struct api_query *query, const char *key, const char *value)
{
	static const char *const keys[] = { "since", "until", "exe", "container", "signal", "pid" };
	char why[CRASH_FILTER_WHY_SIZE];
	cleanup_free char *text = NULL;

	if (!value || decode(value, &text) < 0)
		return refuse(query, "", "the query wants key=value, percent-encoded");
	if (strcmp(key, "limit") == 0)
		return take_limit(query, text);
	if (strcmp(key, "cursor") == 0)
		return take_cursor(query, text);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return crash_filter_set(&query->filter, keys[i], text, query->now_us, why) <
					       0
				       ? refuse(query, keys[i], why)
				       : 0;
	return refuse(query, "",
		      "the query takes since, until, exe, container, signal, pid, limit "
		      "and cursor");
}

static enum MHD_Result take(void *context, enum MHD_ValueKind kind, const char *key, size_t key_len,
			    const char *value, size_t value_len)
{
	struct api_query *query = context;

	(void)kind;
	/* A NUL would hide what stands behind it. */
	if (strlen(key) != key_len || (value && strlen(value) != value_len))
		return refuse(query, "", "the query is not a text") < 0 ? MHD_NO : MHD_YES;
	return api_query_take(query, key, value) < 0 ? MHD_NO : MHD_YES;
}

/* Reads the query of a request. -EINVAL: ret_query->why tells what is wrong. */
int api_query_read(struct MHD_Connection *mhd, uint64_t now_us, struct api_query *ret_query)
{
	api_query_init(ret_query, now_us);
	MHD_get_connection_values_n(mhd, MHD_GET_ARGUMENT_KIND, take, ret_query);
	return ret_query->why[0] ? -EINVAL : 0;
}

/* True if answering tells more of a crash than when it was. */
bool api_query_asks_for_more_than_time(const struct api_query *query)
{
	const struct crash_filter *f = &query->filter;

	return f->exe[0] || f->container[0] || f->has_signal || f->has_pid;
}
