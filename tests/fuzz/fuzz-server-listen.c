// SPDX-License-Identifier: MIT
/*
 * host-helper/server/listen.c: an address to listen at, as the operator or $LXC_HOST_IP has it.
 *
 * What is taken is IPv4 or IPv6, and is the same address when it is written and read again; what is
 * refused leaves the result as it was.
 */
#include "../../host-helper/server/listener.h"

#include <errno.h>

#include "fuzz.h"

static void check_listener(const char *text)
{
	struct listener listener;

	if (listener_parse(text, &listener) < 0)
		return;
	assert(listener.fd == -1 && !(listener.tls && listener.is_unix));
	if (listener.is_unix)
		assert(listener.path[0] == '/' &&
		       strnlen(listener.path, sizeof(listener.path)) < sizeof(listener.path) &&
		       (listener.mode & ~0666U) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	union listen_address address, before, again;
	char written[LISTEN_TEXT_SIZE];

	check_listener(text);
	memset(&address, 0x55, sizeof(address));
	before = address;
	int r = listen_parse(text, &address);
	if (r < 0) {
		assert(r == -EINVAL && memcmp(&address, &before, sizeof(address)) == 0);
		return 0;
	}
	assert(address.any.sa_family == (text[0] == '[' ? AF_INET6 : AF_INET));
	listen_format(&address.any, written);
	assert(strnlen(written, sizeof(written)) < sizeof(written) - 1);
	assert(listen_parse(written, &again) == 0);
	assert(memcmp(&address, &again, sizeof(address)) == 0);
	return 0;
}
