// SPDX-License-Identifier: MIT
/*
 * The network addresses of a container, and the host's ends of its links.  Pure: text of the
 * container's /proc/net in, addresses out.
 *
 * The text is the kernel's, of addresses that the container chose; what is not understood is left
 * out.
 */
#include "addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* True if it is one of them. */
bool addresses_has(const struct addresses *a, const struct in6_addr *address)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (memcmp(&a->items[i], address, sizeof(*address)) == 0)
			return true;
	return false;
}

/* True if the host's interface is one of them. */
bool addresses_has_link(const struct addresses *a, uint32_t link)
{
	for (uint32_t i = 0; i < a->link_count; i++)
		if (a->links[i] == link)
			return true;
	return false;
}

/* Those that every container has tell nothing of one. */
static bool is_loopback(const struct in6_addr *address)
{
	return IN6_IS_ADDR_LOOPBACK(address) ||
	       (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* Adds one, unless it is there, is a loopback address, or there is no room. */
void addresses_add(struct addresses *a, const struct in6_addr *address)
{
	if (a->count < ADDRESSES_MAX && !is_loopback(address) &&
	    !IN6_IS_ADDR_UNSPECIFIED(address) && !addresses_has(a, address))
		a->items[a->count++] = *address;
}

/* Adds an interface of the host's. */
void addresses_add_link(struct addresses *a, uint32_t link)
{
	if (a->link_count < ADDRESSES_LINKS_MAX && link != 0 && !addresses_has_link(a, link))
		a->links[a->link_count++] = link;
}

/* An IPv4 address, as IPv6 has it. */
void addresses_map(const uint8_t v4[4], struct in6_addr *ret_address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(ret_address->s6_addr, prefix, sizeof(prefix));
	memcpy(ret_address->s6_addr + sizeof(prefix), v4, 4);
}

/* Reads "A.B.C.D" or an IPv6 address. -EINVAL: it is neither. */
int addresses_parse(const char *text, struct in6_addr *ret_address)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		addresses_map((const uint8_t *)&v4, ret_address);
		return 0;
	}
	return inet_pton(AF_INET6, text, ret_address) == 1 ? 0 : -EINVAL;
}

/* Writes one as addresses_parse() reads it. */
void addresses_format(const struct in6_addr *address, char text[ADDRESSES_TEXT_SIZE])
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, address->s6_addr + 12, text, ADDRESSES_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, address, text, ADDRESSES_TEXT_SIZE);
}

static bool copy_line(const char *line, size_t len, char *copy, size_t size)
{
	if (len >= size)
		return false;
	memcpy(copy, line, len);
	copy[len] = '\0';
	return true;
}

/* Adds the local addresses of /proc/PID/net/fib_trie: a leaf, and then what is known of it. */
void addresses_read_fib_trie(const char *text, struct addresses *a)
{
	struct in6_addr leaf = { 0 };
	char line[128];

	for (size_t len; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (!copy_line(text, len, line, sizeof(line)))
			continue;
		const char *p = line + strspn(line, " ");
		if (strncmp(p, "|-- ", 4) == 0) {
			if (addresses_parse(p + 4, &leaf) < 0)
				leaf = (struct in6_addr){ 0 };
		} else if (strcmp(p, "/32 host LOCAL") == 0) {
			addresses_add(a, &leaf);
		}
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Adds the addresses of /proc/PID/net/if_inet6: 32 digits, and then what is known of it. */
void addresses_read_if_inet6(const char *text, struct addresses *a)
{
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		struct in6_addr address = { 0 };
		size_t i = 0;

		len = strcspn(text, "\n");
		for (; i < 32 && i < len; i++) {
			int digit = hex_digit(text[i]);

			if (digit < 0)
				break;
			address.s6_addr[i / 2] =
				(uint8_t)(address.s6_addr[i / 2] | digit << (i % 2 ? 0 : 4));
		}
		if (i == 32 && i < len && text[i] == ' ')
			addresses_add(a, &address);
	}
}
