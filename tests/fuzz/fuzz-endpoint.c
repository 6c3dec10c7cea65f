// SPDX-License-Identifier: MIT
/* URLs to push to, and where a server sends us: whatever is taken is http or https, has a host, and
 * is printable; never out of TLS, never off a socket. The first line is the URL, the rest the
 * Location. */
#include "../../container-agent/endpoint.h"

#include <string.h>
#include <strings.h>

#include "fuzz.h"

#define NAME "20261121T023753.123456Z-4166-9f3c.core.zst"

static void check(const struct endpoint *e)
{
	const char *host = strstr(e->url, "://");

	assert(strncmp(e->url, "http://", 7) == 0 || strncmp(e->url, "https://", 8) == 0);
	assert(host && host[3] != '/' && host[3] != '\0');
	for (const char *p = e->url; *p; p++)
		assert(*p > 0x20 && *p < 0x7f && *p != '#');
	for (const char *p = e->shown; *p; p++)
		assert(*p > 0x20 && *p < 0x7f && *p != '#' && *p != '?');
	assert(!e->unix_socket || (e->unix_socket[0] == '/' && strlen(e->unix_socket) < 108));
}

static void follow(const struct endpoint *from, const char *location)
{
	cleanup_endpoint struct endpoint to = { 0 };
	char error[ENDPOINT_ERROR_SIZE] = "";

	if (endpoint_follow(from, location, &to, error) < 0) {
		assert(fuzz_is_printable(error, sizeof(error)));
		return;
	}
	check(&to);
	assert(strncmp(from->url, "https:", 6) != 0 || strncmp(to.url, "https:", 6) == 0);
	assert(!from->unix_socket == !to.unix_socket);
	assert(!to.user || endpoint_is_same_server(from, &to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *url = fuzz_string(data, size);
	cleanup_endpoint struct endpoint e = { 0 };
	cleanup_endpoint struct endpoint below = { 0 };
	char error[ENDPOINT_ERROR_SIZE] = "";
	char *location = strchr(url, '\n');

	if (location)
		*location++ = '\0';
	int r = endpoint_parse(url, true, &e, error);
	assert(fuzz_is_printable(error, sizeof(error)));
	if (r < 0)
		return 0;
	check(&e);
	assert(endpoint_below(&e, NAME, &below) == 0);
	check(&below);
	const char *tail = below.url + strlen(below.url) - strlen("/" NAME);
	assert(strcmp(tail, "/" NAME) == 0 && tail[-1] != '/' && !strchr(below.url, '?'));
	if (location)
		follow(&e, location);
	return 0;
}
