// SPDX-License-Identifier: MIT
/*
 * Through which of the host's interfaces an address is reached now: route, neighbour, bridge.
 *
 * A container can give itself any address, and even another's hardware address; but then the bridge
 * has learned that at the container's own port.  Where we would send to is what counts: whoever is
 * there has shaken hands with us.  All of this is the kernel's word, and needs no rights.
 */
#include "reach.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <string.h>

#include "fd.h"
#include "netlink.h"

static bool is_v4(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address);
}

static const void *bytes_of(const struct in6_addr *address)
{
	return is_v4(address) ? address->s6_addr + 12 : address->s6_addr;
}

static size_t size_of(const struct in6_addr *address)
{
	return is_v4(address) ? 4 : 16;
}

static uint8_t family_of(const struct in6_addr *address)
{
	return is_v4(address) ? AF_INET : AF_INET6;
}

static int take_route(void *context, const struct nlmsghdr *message)
{
	const struct rtmsg *route = netlink_header(message, sizeof(*route));
	const uint32_t *oif = netlink_find(message, sizeof(*route), RTA_OIF, sizeof(*oif));
	struct reach *reach = context;

	if (message->nlmsg_type != RTM_NEWROUTE || !route)
		return 0;
	reach->is_local = route->rtm_type == RTN_LOCAL;
	/* Behind a gateway the next machine is not the one that asks. */
	if (oif && route->rtm_type == RTN_UNICAST &&
	    !netlink_find(message, sizeof(*route), RTA_GATEWAY, 1) &&
	    !netlink_find(message, sizeof(*route), RTA_VIA, 1))
		reach->link = *oif;
	return 0;
}

static int find_route(int fd, const struct in6_addr *address, uint32_t scope, struct reach *reach)
{
	struct netlink_request request;
	struct rtmsg *route = netlink_begin(&request, RTM_GETROUTE, 0, sizeof(*route));

	route->rtm_family = family_of(address);
	route->rtm_dst_len = (uint8_t)(size_of(address) * 8);
	netlink_put(&request, RTA_DST, bytes_of(address), size_of(address));
	if (scope != 0)
		netlink_put(&request, RTA_OIF, &scope, sizeof(scope));
	return netlink_call(fd, &request, take_route, reach);
}

struct hardware {
	uint8_t address[ETH_ALEN];
	bool is_known;
};

static int take_neighbour(void *context, const struct nlmsghdr *message)
{
	const struct ndmsg *neighbour = netlink_header(message, sizeof(*neighbour));
	const uint8_t *address = netlink_find(message, sizeof(*neighbour), NDA_LLADDR, ETH_ALEN);
	struct hardware *hardware = context;

	if (message->nlmsg_type != RTM_NEWNEIGH || !neighbour || !address ||
	    (neighbour->ndm_state & (NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP)))
		return 0;
	memcpy(hardware->address, address, ETH_ALEN);
	hardware->is_known = true;
	return 0;
}

static int take_port(void *context, const struct nlmsghdr *message)
{
	const struct ndmsg *entry = netlink_header(message, sizeof(*entry));

	if (message->nlmsg_type == RTM_NEWNEIGH && entry)
		*(uint32_t *)context = (uint32_t)entry->ndm_ifindex;
	return 0;
}

/* Which port of the bridge the address is behind. 0; what is not known stays 0; -errno. */
static int find_port(int fd, const struct in6_addr *address, struct reach *reach)
{
	struct netlink_request request;
	struct hardware hardware = { .is_known = false };
	struct ndmsg *entry = netlink_begin(&request, RTM_GETNEIGH, 0, sizeof(*entry));

	entry->ndm_family = family_of(address);
	entry->ndm_ifindex = (int)reach->link;
	netlink_put(&request, NDA_DST, bytes_of(address), size_of(address));
	int r = netlink_call(fd, &request, take_neighbour, &hardware);
	if (r < 0 || !hardware.is_known)
		return r == -ENOENT ? 0 : r;

	entry = netlink_begin(&request, RTM_GETNEIGH, 0, sizeof(*entry));
	entry->ndm_family = AF_BRIDGE;
	netlink_put(&request, NDA_MASTER, &reach->link, sizeof(reach->link));
	netlink_put(&request, NDA_LLADDR, hardware.address, ETH_ALEN);
	r = netlink_call(fd, &request, take_port, &reach->port);
	/* No bridge, or nothing learned: then there is no port. */
	return r == -ENOENT || r == -EINVAL || r == -EOPNOTSUPP || r == -ENODEV ? 0 : r;
}

/*
 * Finds where an address (IPv4 as ::ffff:A.B.C.D; scope: sin6_scope_id) is.  Nothing of this is
 * kept: containers come and go.  0 or -errno.  See: rtnetlink(7).
 */
int reach_find(const struct in6_addr *address, uint32_t scope, struct reach *ret_reach)
{
	struct reach reach = { .is_local = false };
	cleanup_fd int fd = -1;
	int r = netlink_open(&fd);

	if (r == 0)
		r = find_route(fd, address, scope, &reach);
	if (r == 0 && reach.link != 0)
		r = find_port(fd, address, &reach);
	if (r == 0)
		*ret_reach = reach;
	return r;
}
