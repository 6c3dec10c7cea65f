/* SPDX-License-Identifier: MIT */
/*
 * Where the victim's container is in the network: its addresses, and the host's ends of its links.
 */
#pragma once

#include "addresses.h"

/* The victim's network namespace and its tables, kept open: they can be read when it is gone. */
struct container_links {
	int netns_fd, trie_fd, inet6_fd; /* each may be -1 */
};

void container_links_open(int procfd, struct container_links *ret_links);
void container_links_close(struct container_links *links);
int container_links_read(struct container_links *links, struct addresses *ret_addresses);
