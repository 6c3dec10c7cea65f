/* SPDX-License-Identifier: MIT */
/*
 * The kernel's tables of links, routes and neighbours, asked by rtnetlink(7).  Only ever asked:
 * none of it needs rights.
 */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_REQUEST_SIZE 256

/* A question: the header, the table's own header, attributes. */
struct netlink_request {
	struct nlmsghdr header;
	char rest[NETLINK_REQUEST_SIZE];
};

/* Of an answer; a result other than 0 ends the call. */
typedef int (*netlink_fn)(void *context, const struct nlmsghdr *message);

int netlink_open(int *ret_fd);
void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		    size_t header_size);
void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t len);
int netlink_call(int fd, struct netlink_request *request, netlink_fn fn, void *context);

const void *netlink_header(const struct nlmsghdr *message, size_t size);
const void *netlink_find(const struct nlmsghdr *message, size_t header_size, uint16_t type,
			 size_t size);
