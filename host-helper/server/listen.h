/* SPDX-License-Identifier: MIT */
/*
 * Where the server listens: an address as the operator writes it, and the socket.
 *
 * listen_parse() and listen_format() are pure.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#define LISTEN_PORT_DEFAULT 8042
#define LISTEN_BRIDGE	    "lxcbr0"
#define LISTEN_HOST_VAR	    "LXC_HOST_IP"
/* "[" + 45 characters of IPv6 + "]:65535" + NUL, rounded up */
#define LISTEN_TEXT_SIZE 64

union listen_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

int listen_parse(const char *text, union listen_address *ret_address);
void listen_format(const struct sockaddr *address, char text[LISTEN_TEXT_SIZE]);
int listen_default(union listen_address *ret_address);
int listen_open(const union listen_address *address, int *ret_fd);
