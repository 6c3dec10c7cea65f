/* SPDX-License-Identifier: MIT */
/*
 * The network addresses of a container, and the host's ends of its links.  Pure.
 *
 * The addresses are whatever the container gave itself.  The links are the kernel's word: which
 * interfaces of the host lead into the container's network namespace.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESSES_MAX	    32 /* a container may have thousands: it is found by the first */
#define ADDRESSES_LINKS_MAX 8
#define ADDRESSES_TEXT_SIZE INET6_ADDRSTRLEN

struct addresses {
	struct in6_addr items[ADDRESSES_MAX]; /* IPv4 as ::ffff:A.B.C.D */
	uint32_t count;
	uint32_t links[ADDRESSES_LINKS_MAX]; /* indexes of the host's interfaces */
	uint32_t link_count;
};

bool addresses_has(const struct addresses *addresses, const struct in6_addr *address);
bool addresses_has_link(const struct addresses *addresses, uint32_t link);
void addresses_add(struct addresses *addresses, const struct in6_addr *address);
void addresses_add_link(struct addresses *addresses, uint32_t link);
void addresses_read_fib_trie(const char *text, struct addresses *addresses);
void addresses_read_if_inet6(const char *text, struct addresses *addresses);

int addresses_parse(const char *text, struct in6_addr *ret_address);
void addresses_format(const struct in6_addr *address, char text[ADDRESSES_TEXT_SIZE]);
void addresses_map(const uint8_t v4[4], struct in6_addr *ret_address);
