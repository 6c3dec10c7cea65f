// SPDX-License-Identifier: MIT
/*
 * An HTTP answer off a socket, by libcurl.
 *
 * The socket's other end is the helper: it has asked the engine itself, reads nothing that is sent
 * here, and has written the engine's whole answer.  So libcurl reads status, headers and chunks,
 * and cannot ask for anything.
 */
#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

struct fetch {
	CURL *curl;
	int socket_fd;
	char *body;
	size_t len;
};

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct fetch *f = context;

	(void)purpose, (void)address;
	return f->socket_fd >= 0 ? fd_steal(&f->socket_fd) : CURL_SOCKET_BAD;
}

static int socket_is_connected(void *context, curl_socket_t fd, curlsocktype purpose)
{
	(void)context, (void)fd, (void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct fetch *f = context;
	size_t len = size * count;

	if (len > FETCH_BODY_MAX - f->len)
		return 0;
	memcpy(f->body + f->len, bytes, len);
	f->len += len;
	return len;
}

static bool set_options(struct fetch *f)
{
	CURL *c = f->curl;

	/* A number: no name is looked up; it is not connected to anyway. */
	return curl_easy_setopt(c, CURLOPT_URL, "http://127.0.0.1/") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, socket_is_connected) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, f) == CURLE_OK;
}

/* To be called while libraries may still be loaded.  NULL: no memory. */
struct fetch *fetch_new(void)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->socket_fd = -1;
	f->curl = curl_easy_init();
	f->body = malloc(FETCH_BODY_MAX + 1);
	if (!f->curl || !f->body || !set_options(f)) {
		fetch_free(f);
		return NULL;
	}
	return f;
}

/* Frees it. */
void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	curl_easy_cleanup(f->curl);
	fd_close(&f->socket_fd);
	free(f->body);
	free(f);
}

/*
 * Takes the answer from socket_fd (which is taken over).  0, with the status and the body (f's,
 * NUL-terminated); or a CURLcode.
 */
int fetch_run(struct fetch *f, int socket_fd, long *ret_status, char **ret_body, size_t *ret_len)
{
	f->socket_fd = socket_fd;
	CURLcode code = curl_easy_perform(f->curl);

	if (code == CURLE_OK)
		code = curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, ret_status);
	if (code != CURLE_OK)
		return (int)code;
	f->body[f->len] = '\0';
	*ret_body = f->body;
	*ret_len = f->len;
	return 0;
}
