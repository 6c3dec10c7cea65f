// SPDX-License-Identifier: MIT
/*
 * Where the victim's container is in the network: its addresses, and the host's ends of its links.
 *
 * A pull is answered by address, and addresses are what a container gives itself.  What it cannot
 * choose is which of the host's interfaces lead into its namespace: that is the kernel's word.
 *
 * In the victim's time only three files are opened; they keep the namespace as it is for later.
 */
#include "container-links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <sys/stat.h>

#include "fd.h"
#include "netlink.h"

#define TRIE_MAX  (256U << 10)
#define INET6_MAX (32U << 10)

/* Opens them; what there is none of stays -1. */
void container_links_open(int procfd, struct container_links *ret_links)
{
	ret_links->netns_fd = openat(procfd, "ns/net", O_RDONLY | O_CLOEXEC);
	ret_links->trie_fd = openat(procfd, "net/fib_trie", O_RDONLY | O_CLOEXEC);
	ret_links->inet6_fd = openat(procfd, "net/if_inet6", O_RDONLY | O_CLOEXEC);
}

/* Closes them. */
void container_links_close(struct container_links *links)
{
	fd_close(&links->netns_fd);
	fd_close(&links->trie_fd);
	fd_close(&links->inet6_fd);
}

/* The host's own namespace tells nothing of a container. */
static bool is_ours(int netns_fd)
{
	cleanup_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct stat a, b;

	return own < 0 || fstat(own, &a) < 0 || fstat(netns_fd, &b) < 0 ||
	       (a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static int take_nsid(void *context, const struct nlmsghdr *message)
{
	const int32_t *nsid =
		netlink_find(message, sizeof(struct rtgenmsg), NETNSA_NSID, sizeof(*nsid));

	if (message->nlmsg_type == RTM_NEWNSID && nsid)
		*(int32_t *)context = *nsid;
	return 0;
}

struct link_search {
	int32_t nsid;
	struct addresses *addresses;
};

static int take_link(void *context, const struct nlmsghdr *message)
{
	const struct link_search *search = context;
	const struct ifinfomsg *info = netlink_header(message, sizeof(*info));
	const int32_t *nsid =
		netlink_find(message, sizeof(*info), IFLA_LINK_NETNSID, sizeof(*nsid));

	if (message->nlmsg_type == RTM_NEWLINK && info && nsid && *nsid == search->nsid)
		addresses_add_link(search->addresses, (uint32_t)info->ifi_index);
	return 0;
}

static int skip(void *context, const struct nlmsghdr *message)
{
	(void)context;
	(void)message;
	return 0;
}

/* The interfaces of ours whose other end is in that namespace.  0 or -errno. */
static int find_links(int netns_fd, struct addresses *addresses)
{
	struct link_search search = { .nsid = -1, .addresses = addresses };
	const int32_t target = netns_fd;
	struct netlink_request request;
	cleanup_fd int fd = -1;
	int r = netlink_open(&fd);

	/* The kernel numbers a namespace when it first has to name it: in a list of links. */
	for (int i = 0; r == 0 && i < 2 && search.nsid < 0; i++) {
		if (i > 0) {
			netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
			r = netlink_call(fd, &request, skip, NULL);
			if (r < 0 && r != -EINTR)
				break;
		}
		netlink_begin(&request, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
		netlink_put(&request, NETNSA_FD, &target, sizeof(target));
		r = netlink_call(fd, &request, take_nsid, &search.nsid);
	}
	if (r < 0 || search.nsid < 0)
		return r;
	netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	r = netlink_call(fd, &request, take_link, &search);
	return r == -EINTR ? 0
			   : r; /* a link came or went meanwhile: others were told all the same */
}

/*
 * Reads what was kept open, after the victim's time, and closes it.  A victim in the host's own
 * namespace has none.  0 or -errno: then there are no links, and nobody is found by address.
 */
int container_links_read(struct container_links *links, struct addresses *ret_addresses)
{
	cleanup_free char *trie = NULL, *inet6 = NULL;
	size_t len;
	int r = 0;

	*ret_addresses = (struct addresses){ 0 };
	if (links->netns_fd >= 0 && !is_ours(links->netns_fd)) {
		if (links->trie_fd >= 0 && fd_read_some(links->trie_fd, TRIE_MAX, &trie, &len) == 0)
			addresses_read_fib_trie(trie, ret_addresses);
		if (links->inet6_fd >= 0 &&
		    fd_read_some(links->inet6_fd, INET6_MAX, &inet6, &len) == 0)
			addresses_read_if_inet6(inet6, ret_addresses);
		if (ret_addresses->count > 0)
			r = find_links(links->netns_fd, ret_addresses);
	}
	container_links_close(links);
	return r;
}
