// SPDX-License-Identifier: MIT
/*
 * container-agent/endpoint.c: the URL to push below, from the victim's environment or from the
 * container's configuration.
 *
 * What is made of it goes to the host that it names, by http or https, and is one word that ends in
 * our own name.  A refusal says why in a printable line.
 */
#include "../../container-agent/endpoint.h"

#include <strings.h>

#include "fuzz.h"

#define ID     "20261121T023753.123456Z-4166-9f3c"
#define SUFFIX ".core.zst"

static void check_url(const char *url, const char *base)
{
	const char *tail = url + strlen(url) - strlen("/" ID SUFFIX);
	const char *host = strstr(url, "://");

	assert(strncasecmp(url, "http", 4) == 0 && host);
	host += strlen("://");
	assert(*host != '/' && *host != '\0');
	assert(tail > host && strcmp(tail, "/" ID SUFFIX) == 0 && tail[-1] != '/');
	assert(strncmp(url, base, (size_t)(tail - url)) == 0);
	for (const char *p = url; *p; p++)
		assert(*p > 0x20 && *p < 0x7f && *p != '?' && *p != '#');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *base = fuzz_string(data, size);
	char error[ENDPOINT_ERROR_SIZE] = "";
	cleanup_free char *url = endpoint_make_url(base, ID, SUFFIX, error);

	assert(fuzz_is_printable(error, sizeof(error)) && (url != NULL) == (*error == '\0'));
	if (url)
		check_url(url, base);
	return 0;
}
