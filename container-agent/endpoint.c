// SPDX-License-Identifier: MIT
/*
 * HTTP URLs to push to.
 *
 * All that a URL or a Location can bring about is a connection that the victim could have made
 * itself: the agent has its rights.  But what is meant for one server (a password, a certificate, a
 * core over TLS) must not go to another, or in the clear, because a server says so.
 */
#include "endpoint.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "fd.h"
#include "text.h"

#define UNIX_SCHEME "http+unix://"
/* The host that stands in URLs of a Unix socket, and in their Host header. */
#define UNIX_HOST "http://localhost"

#define cleanup_curlu __attribute__((cleanup(curlu_release)))

static void curlu_release(CURLU **url)
{
	curl_url_cleanup(*url);
}

static bool is_visible(const char *text, const char *but)
{
	size_t len = strlen(text);

	if (len == 0 || len > ENDPOINT_URL_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f || strchr(but, text[i]))
			return false;
	return true;
}

static int refuse(const char *text, const char *why, char error[ENDPOINT_ERROR_SIZE])
{
	cleanup_free char *escaped = text_escape(text, strnlen(text, 60));

	snprintf(error, ENDPOINT_ERROR_SIZE, "not a URL to push to: '%.240s': %s",
		 escaped ? escaped : "", why);
	return -EINVAL;
}

/*
 * A part of a URL (free it): libcurl's memory is malloc's, curl_global_init() was told nothing
 * else.
 */
static int get_part(CURLU *url, CURLUPart part, unsigned flags, char **ret_text)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(url, part, &text, flags);

	if (code != CURLUE_OK)
		return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	if (!text)
		return -EINVAL;
	*ret_text = text;
	return 0;
}

/* User or password; NULL: it has none. */
static int get_credential(CURLU *url, CURLUPart part, char **ret_text)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(url, part, &text, CURLU_URLDECODE);

	if (code == CURLUE_NO_USER || code == CURLUE_NO_PASSWORD)
		return 0;
	if (code != CURLUE_OK)
		return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	*ret_text = text;
	return 0;
}

/* What a person wrote for the Unix socket, and the path; not the host that stands for it. */
static int show_socket(CURLU *url, struct endpoint *e)
{
	char *path = NULL;
	int r = get_part(url, CURLUPART_PATH, 0, &path);

	if (r == 0 && asprintf(&e->shown, UNIX_SCHEME "%s%s", e->unix_name, path) < 0)
		r = -ENOMEM;
	free(path);
	return r;
}

/* The URL without its query, which is nobody's business.  The CURLU is spoilt by that. */
static int show(CURLU *url, struct endpoint *e)
{
	if (curl_url_set(url, CURLUPART_QUERY, NULL, 0) != CURLUE_OK)
		return -ENOMEM;
	return e->unix_name ? show_socket(url, e) : get_part(url, CURLUPART_URL, 0, &e->shown);
}

/* Fills in all but the socket.  -EINVAL: not http or https, or not visible ASCII. */
static int take(CURLU *url, struct endpoint *e)
{
	cleanup_free char *scheme = NULL;
	int r = get_part(url, CURLUPART_SCHEME, 0, &scheme);

	if (r == 0 && scheme && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		r = -EINVAL;
	if (r == 0)
		r = get_credential(url, CURLUPART_USER, &e->user);
	if (r == 0)
		r = get_credential(url, CURLUPART_PASSWORD, &e->password);
	if (r == 0 && (curl_url_set(url, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
		       curl_url_set(url, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK ||
		       curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK))
		r = -ENOMEM;
	if (r == 0)
		r = get_part(url, CURLUPART_URL, 0, &e->url);
	if (r == 0)
		r = show(url, e);
	if (r == 0 && !is_visible(e->url, "#"))
		r = -EINVAL;
	return r;
}

/* http+unix://PERCENT-ENCODED-PATH-OF-A-SOCKET/PATH: the URL that takes its place (free it). */
static int take_socket(const char *text, struct endpoint *e, char **ret_url,
		       char error[ENDPOINT_ERROR_SIZE])
{
	const char *name = text + strlen(UNIX_SCHEME);
	size_t name_len = strcspn(name, "/?#"), len = 0;

	e->unix_name = strndup(name, name_len);
	if (!e->unix_name)
		return -ENOMEM;
	if (text_percent_decode(e->unix_name, &e->unix_socket, &len) < 0 || len == 0 ||
	    !e->unix_socket || e->unix_socket[0] != '/' || strlen(e->unix_socket) != len ||
	    len >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return refuse(text,
			      "behind http+unix:// stands the percent-encoded path of a socket",
			      error);
	return asprintf(ret_url, UNIX_HOST "%s", name + name_len) < 0 ? -ENOMEM : 0;
}

static bool has_scheme(const char *text, const char *scheme)
{
	return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

static int parse(const char *text, bool allows_query, struct endpoint *e,
		 char error[ENDPOINT_ERROR_SIZE])
{
	cleanup_curlu CURLU *url = curl_url();
	cleanup_free char *of_socket = NULL;
	int r = url ? 0 : -ENOMEM;

	/* libcurl would guess at what has no scheme, or only one slash. */
	if (!is_visible(text, allows_query ? "#" : "#?"))
		return refuse(text, "spaces, control characters, '?' and '#' cannot be in it",
			      error);
	if (!has_scheme(text, "http://") && !has_scheme(text, "https://") &&
	    !has_scheme(text, UNIX_SCHEME))
		return refuse(text, "it must be http://, https:// or http+unix://", error);
	if (r == 0 && has_scheme(text, UNIX_SCHEME))
		r = take_socket(text, e, &of_socket, error);
	if (r < 0)
		return r;
	const char *host = strstr(text, "://") + strlen("://");
	if (*host == '\0' || *host == '/' ||
	    curl_url_set(url, CURLUPART_URL, of_socket ? of_socket : text, 0) != CURLUE_OK)
		return refuse(text, "it has no host, or is malformed", error);
	r = take(url, e);
	return r == -EINVAL ? refuse(text, "it is malformed", error) : r;
}

/*
 * Takes a URL apart.  allows_query: it is one that a server named; else it is one to put things
 * below, and has no query.  On success *ret_endpoint is the caller's (endpoint_release()).
 * -EINVAL, and error says why, with nothing in it but printable characters; -ENOMEM.
 */
int endpoint_parse(const char *text, bool allows_query, struct endpoint *ret_endpoint,
		   char error[ENDPOINT_ERROR_SIZE])
{
	cleanup_endpoint struct endpoint e = { 0 };

	snprintf(error, ENDPOINT_ERROR_SIZE, "out of memory");
	int r = parse(text, allows_query, &e, error);
	if (r < 0)
		return r;
	*ret_endpoint = e;
	e = (struct endpoint){ 0 };
	return 0;
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int copy_credentials(const struct endpoint *from, struct endpoint *to)
{
	int r = copy_text(from->user, &to->user);

	return r < 0 ? r : copy_text(from->password, &to->password);
}

static int copy_socket(const struct endpoint *from, struct endpoint *to)
{
	int r = copy_text(from->unix_name, &to->unix_name);

	return r < 0 ? r : copy_text(from->unix_socket, &to->unix_socket);
}

static int add_name(const char *base, const char *name, char **ret_url)
{
	size_t len = strcspn(base, "?");

	while (len > 0 && base[len - 1] == '/')
		len--;
	return asprintf(ret_url, "%.*s/%s", (int)len, base, name) < 0 ? -ENOMEM : 0;
}

/*
 * BASE/NAME, with one slash between, without a query.  name: one of ours, fit for a path.  0 and
 * *ret_endpoint is the caller's, or -ENOMEM.
 */
int endpoint_below(const struct endpoint *base, const char *name, struct endpoint *ret_endpoint)
{
	cleanup_endpoint struct endpoint e = { 0 };

	if (add_name(base->url, name, &e.url) < 0 || add_name(base->shown, name, &e.shown) < 0 ||
	    copy_credentials(base, &e) < 0 || copy_socket(base, &e) < 0)
		return -ENOMEM;
	*ret_endpoint = e;
	e = (struct endpoint){ 0 };
	return 0;
}

/* True if what was meant for the one may go to the other: scheme, host and port are the same. */
bool endpoint_is_same_server(const struct endpoint *a, const struct endpoint *b)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	cleanup_curlu CURLU *x = curl_url();
	cleanup_curlu CURLU *y = curl_url();
	bool is_same = x && y && curl_url_set(x, CURLUPART_URL, a->url, 0) == CURLUE_OK &&
		       curl_url_set(y, CURLUPART_URL, b->url, 0) == CURLUE_OK;

	if (!a->unix_socket != !b->unix_socket ||
	    (a->unix_socket && strcmp(a->unix_socket, b->unix_socket) != 0))
		return false;
	for (size_t i = 0; is_same && i < sizeof(parts) / sizeof(*parts); i++) {
		cleanup_free char *of_a = NULL;
		cleanup_free char *of_b = NULL;

		is_same = get_part(x, parts[i], CURLU_DEFAULT_PORT, &of_a) == 0 &&
			  get_part(y, parts[i], CURLU_DEFAULT_PORT, &of_b) == 0 && of_a && of_b &&
			  strcasecmp(of_a, of_b) == 0;
	}
	return is_same;
}

static int follow(const struct endpoint *from, const char *location, struct endpoint *e,
		  char error[ENDPOINT_ERROR_SIZE])
{
	cleanup_curlu CURLU *url = curl_url();

	if (!url)
		return -ENOMEM;
	if (curl_url_set(url, CURLUPART_URL, from->url, 0) != CURLUE_OK ||
	    curl_url_set(url, CURLUPART_URL, location, CURLU_DISALLOW_USER) != CURLUE_OK)
		return refuse(location, "the server's Location is none, or names a user", error);
	int r = copy_socket(from, e);
	if (r == 0)
		r = take(url, e);
	if (r == -EINVAL)
		return refuse(location, "the server's Location leads to another scheme", error);
	if (r < 0)
		return r;
	if (has_scheme(from->url, "https:") && !has_scheme(e->url, "https:"))
		return refuse(location, "the server's Location leads out of TLS", error);
	if (!endpoint_is_same_server(from, e))
		return from->unix_socket
			       ? refuse(location, "the server's Location leads off its socket",
					error)
			       : 0;
	return copy_credentials(from, e);
}

/*
 * Where a server's Location leads, absolute or relative.  User and password come along only if that
 * is the same server.  Never from https to http, to another scheme, or from a Unix socket to
 * another server.  0 and *ret_endpoint is the caller's; -EINVAL, error says why; -ENOMEM.
 */
int endpoint_follow(const struct endpoint *from, const char *location,
		    struct endpoint *ret_endpoint, char error[ENDPOINT_ERROR_SIZE])
{
	cleanup_endpoint struct endpoint e = { 0 };

	snprintf(error, ENDPOINT_ERROR_SIZE, "out of memory");
	int r = follow(from, location, &e, error);
	if (r < 0)
		return r;
	*ret_endpoint = e;
	e = (struct endpoint){ 0 };
	return 0;
}

/* The URL as endpoint_parse() takes it, without user and password; free it.  NULL: no memory. */
char *endpoint_text(const struct endpoint *endpoint)
{
	char *text = NULL;

	if (!endpoint->unix_name)
		return strdup(endpoint->url);
	const char *path = endpoint->url + strlen(UNIX_HOST);
	return asprintf(&text, UNIX_SCHEME "%s%s", endpoint->unix_name, path) < 0 ? NULL : text;
}

/* Frees what it owns, and empties it. */
void endpoint_release(struct endpoint *endpoint)
{
	free(endpoint->url);
	free(endpoint->shown);
	free(endpoint->user);
	free(endpoint->password);
	free(endpoint->unix_socket);
	free(endpoint->unix_name);
	*endpoint = (struct endpoint){ 0 };
}
