// SPDX-License-Identifier: MIT
/*
 * Where the server listens: an address as the operator writes it, and the socket.
 *
 * The text comes from the operator.  The socket is made here, while the server may still have
 * rights, and handed on: nothing after it needs any.
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "parse.h"

#define LISTEN_BACKLOG 512

static int parse_port(const char *text, in_port_t *ret_port)
{
	uint64_t port;

	/* Port 0 is the kernel's choice: for tests, which read it from our first line. */
	if (parse_u64(text, UINT16_MAX, &port) < 0)
		return -EINVAL;
	*ret_port = htons((uint16_t)port);
	return 0;
}

/*
 * Reads "A.B.C.D:PORT", "A.B.C.D", "[IPv6]:PORT" or "[IPv6]"; without a port it is 8042.
 * -EINVAL for all else: names too, which may mean another machine tomorrow, and IPv6 without
 * brackets, where the port cannot be told from the address.
 */
int listen_parse(const char *text, union listen_address *ret_address)
{
	char host[LISTEN_TEXT_SIZE];
	in_port_t port = htons(LISTEN_PORT_DEFAULT);
	bool v6 = text[0] == '[';
	size_t len = strcspn(text + v6, v6 ? "]" : ":");
	const char *rest = text + v6 + len;

	if (len >= sizeof(host) || (v6 && *rest++ != ']'))
		return -EINVAL;
	memcpy(host, text + v6, len);
	host[len] = '\0';
	if (*rest != '\0' && (*rest != ':' || parse_port(rest + 1, &port) < 0))
		return -EINVAL;

	union listen_address address = { 0 };
	if (v6) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = port;
		if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) != 1)
			return -EINVAL;
	} else {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = port;
		if (inet_pton(AF_INET, host, &address.v4.sin_addr) != 1)
			return -EINVAL;
	}
	*ret_address = address;
	return 0;
}

/* Writes an address as listen_parse() reads it; "unix" for a Unix socket, "?" for all else. */
void listen_format(const struct sockaddr *address, char text[LISTEN_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, LISTEN_TEXT_SIZE, "%s:%u", host, ntohs(v4->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;

		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(text, LISTEN_TEXT_SIZE, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else if (address->sa_family == AF_UNIX) {
		snprintf(text, LISTEN_TEXT_SIZE, "unix");
	} else {
		snprintf(text, LISTEN_TEXT_SIZE, "?");
	}
}

/* The first IPv4 address of an interface. -ENODEV: it has none, or there is no such interface. */
static int address_of_interface(const char *name, struct in_addr *ret_address)
{
	struct ifaddrs *all = NULL;
	int r = -ENODEV;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *i = all; i && r < 0; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    strcmp(i->ifa_name, name) != 0)
			continue;
		*ret_address = ((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		r = 0;
	}
	freeifaddrs(all);
	return r;
}

/*
 * Where testenv's clients look for us: port 8042 of $LXC_HOST_IP, or of the LXC bridge.
 * -EINVAL: $LXC_HOST_IP is not an address; -ENODEV: no bridge has an IPv4 address; -errno.
 */
int listen_default(union listen_address *ret_address)
{
	const char *host = getenv(LISTEN_HOST_VAR);

	if (host && *host)
		return listen_parse(host, ret_address);

	union listen_address address = { .v4 = { .sin_family = AF_INET,
						 .sin_port = htons(LISTEN_PORT_DEFAULT) } };
	int r = address_of_interface(LISTEN_BRIDGE, &address.v4.sin_addr);
	if (r == 0)
		*ret_address = address;
	return r;
}

/* Opens a listening socket, non-blocking. 0 or -errno, as of socket(2), bind(2) and listen(2). */
int listen_open(const union listen_address *address, int *ret_fd)
{
	bool v6 = address->any.sa_family == AF_INET6;
	cleanup_fd int fd =
		socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	/* Then [::]:PORT takes IPv4 as well, whatever the system's default. */
	int off = 0;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
		return -errno;
	if (bind(fd, &address->any, v6 ? sizeof(address->v6) : sizeof(address->v4)) < 0)
		return -errno;
	if (listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	*ret_fd = fd_steal(&fd);
	return 0;
}
