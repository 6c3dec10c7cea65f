// SPDX-License-Identifier: MIT
/*
 * How one attempt over HTTP tells the next where it was.  Pure.
 *
 * The text comes back through the helper, which does not look into it; the server chose the URL
 * within.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fd.h"
#include "parse.h"
#include "push-http.h"

#define DIGITS_MAX 20

/* As endpoint_follow(), of a URL that is not a Location. */
static bool may_lead_to(const struct endpoint *home, const struct endpoint *to)
{
	if (strncasecmp(home->url, "https:", 6) == 0 && strncasecmp(to->url, "https:", 6) != 0)
		return false;
	return (!home->unix_socket && !to->unix_socket) || endpoint_is_same_server(home, to);
}

static int take_url(const char *url, const struct endpoint *home, struct endpoint *ret_to)
{
	cleanup_endpoint struct endpoint to = { 0 };
	char error[ENDPOINT_ERROR_SIZE];

	if (endpoint_parse(url, true, &to, error) < 0 || to.user || to.password ||
	    !may_lead_to(home, &to))
		return -EINVAL;
	if (endpoint_is_same_server(home, &to)) {
		to.user = home->user ? strdup(home->user) : NULL;
		to.password = home->password ? strdup(home->password) : NULL;
		if ((home->user && !to.user) || (home->password && !to.password))
			return -ENOMEM;
	}
	*ret_to = to;
	to = (struct endpoint){ 0 };
	return 0;
}

/*
 * Takes push_http_make_resume()'s text apart.  home: where is pushed to.  PUSH_HTTP_NONE: it is
 * none, or leads where a Location of home must not lead; else *ret_to is the caller's.
 */
enum push_http_resume push_http_parse_resume(const char *text, const struct endpoint *home,
					     uint64_t *ret_offset, struct endpoint *ret_to)
{
	char digits[DIGITS_MAX + 1];
	size_t len;

	if (strncmp(text, "put:", 4) == 0)
		return take_url(text + 4, home, ret_to) == 0 ? PUSH_HTTP_PUT : PUSH_HTTP_NONE;
	if (strncmp(text, "tus:", 4) != 0)
		return PUSH_HTTP_NONE;
	text += 4;
	len = strcspn(text, ":");
	if (text[len] != ':' || len > DIGITS_MAX)
		return PUSH_HTTP_NONE;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (parse_u64(digits, INT64_MAX, ret_offset) < 0)
		return PUSH_HTTP_NONE;
	return take_url(text + len + 1, home, ret_to) == 0 ? PUSH_HTTP_TUS : PUSH_HTTP_NONE;
}

/* What the next attempt needs to go on: visible ASCII; free it.  NULL: no memory. */
char *push_http_make_resume(enum push_http_resume kind, uint64_t offset, const struct endpoint *to)
{
	cleanup_free char *url = endpoint_text(to);
	char *text = NULL;
	int n = -1;

	if (url && kind == PUSH_HTTP_TUS)
		n = asprintf(&text, "tus:%" PRIu64 ":%s", offset, url);
	else if (url)
		n = asprintf(&text, "put:%s", url);
	return n < 0 ? NULL : text;
}
