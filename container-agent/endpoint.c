// SPDX-License-Identifier: MIT
/*
 * URLs to push to.  Pure.
 *
 * They are the attacker's.  All that they can bring about is a connection that the victim could
 * have made itself: the agent has its rights already.
 */
#include "endpoint.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fd.h"
#include "text.h"

#define URL_MAX 8192

/* http or https, and nothing that could end a request line. */
static bool is_acceptable(const char *url)
{
	size_t len = strlen(url);

	if (len > URL_MAX ||
	    (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
		return false;
	/* Without a host, our own name behind it would be taken for one. */
	const char *host = strstr(url, "://") + strlen("://");
	if (*host == '\0' || *host == '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (url[i] <= 0x20 || url[i] >= 0x7f || url[i] == '#' || url[i] == '?')
			return false;
	return true;
}

/*
 * BASE/ID SUFFIX, with one slash between (free it).  NULL, and error says why: not http or https,
 * or characters that a URL to put things below cannot have.
 */
char *endpoint_make_url(const char *base, const char *id, const char *suffix,
			char error[ENDPOINT_ERROR_SIZE])
{
	char *url = NULL;
	size_t len = strlen(base);

	if (!is_acceptable(base)) {
		cleanup_free char *escaped = text_escape(base, strnlen(base, 100));

		snprintf(error, ENDPOINT_ERROR_SIZE,
			 "not a URL to push below: '%s': it must be http:// or https:// with a "
			 "host, and have no spaces, control characters, '?' or '#'",
			 escaped ? escaped : "");
		return NULL;
	}
	while (len > 0 && base[len - 1] == '/')
		len--;
	if (asprintf(&url, "%.*s/%s%s", (int)len, base, id, suffix) < 0) {
		snprintf(error, ENDPOINT_ERROR_SIZE, "out of memory");
		return NULL;
	}
	return url;
}
