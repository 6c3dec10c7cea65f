// SPDX-License-Identifier: MIT
/*
 * The kernel's tables of links, routes and neighbours, asked by rtnetlink(7).
 *
 * The answers are the kernel's, of which only the names of interfaces are chosen by others; every
 * length in them is checked all the same.  (Debian's libmnl has no static library, and the helper
 * is linked statically.)
 */
#include "netlink.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fd.h"

#define ANSWER_BYTES (32U << 10) /* of one recv(2): as much as the kernel puts into one */
#define WAIT_US	     500000	 /* the kernel answers while it is asked: this never passes */

/* Opens a socket to ask by. 0 or -errno. */
int netlink_open(int *ret_fd)
{
	const struct timeval wait = { .tv_usec = WAIT_US };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* Starts a question: RTM_..., NLM_F_DUMP or 0; returns the table's own header, all 0. */
void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		    size_t header_size)
{
	*request = (struct netlink_request){
		.header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(header_size),
			    .nlmsg_type = type,
			    .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
	};
	return NLMSG_DATA(&request->header);
}

/* Adds an attribute, which must fit. */
void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr *attribute = (struct rtattr *)(void *)((char *)request + at);

	assert(at + RTA_SPACE(len) <= sizeof(*request));
	attribute->rta_type = type;
	attribute->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(attribute), data, len);
	request->header.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

/* 1: there is more to come; 0: that was all; else -errno or fn's. */
static int take_answer(const char *buf, size_t len, const struct netlink_request *request,
		       netlink_fn fn, void *context)
{
	const struct nlmsghdr *m = (const void *)buf;
	bool multi = request->header.nlmsg_flags & NLM_F_DUMP;

	for (; NLMSG_OK(m, len); m = NLMSG_NEXT(m, len)) {
		if (m->nlmsg_seq != request->header.nlmsg_seq)
			continue;
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *e = netlink_header(m, sizeof(*e));

			return e ? e->error : -EBADMSG;
		}
		int r = fn(context, m);
		if (r != 0)
			return r;
		if (!multi)
			return 0;
	}
	return 1;
}

/*
 * Asks, and calls fn for each answer.  0; -ENOENT, -ENODEV, ...: the kernel's answer is an error;
 * -EINTR: a table changed while it was told, the caller may ask again; -errno; or what fn returned.
 */
int netlink_call(int fd, struct netlink_request *request, netlink_fn fn, void *context)
{
	static _Thread_local uint32_t seq;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char buf[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = 1;

	request->header.nlmsg_seq = ++seq;
	if (sendto(fd, request, request->header.nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	while (r == 1) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_TRUNC, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n > sizeof(buf))
			return -EMSGSIZE;
		/* Any process may send to this socket; the kernel's port is 0. */
		if (from.nl_pid == 0)
			r = take_answer(buf, (size_t)n, request, fn, context);
	}
	return r;
}

/* The table's own header of an answer; NULL: it is shorter than that. */
const void *netlink_header(const struct nlmsghdr *message, size_t size)
{
	return message->nlmsg_len >= NLMSG_LENGTH(size) ? NLMSG_DATA(message) : NULL;
}

/* The value of an attribute that has at least `size` bytes; NULL: there is none. */
const void *netlink_find(const struct nlmsghdr *message, size_t header_size, uint16_t type,
			 size_t size)
{
	size_t at = NLMSG_ALIGN(NLMSG_LENGTH(header_size));

	while (at + sizeof(struct rtattr) <= message->nlmsg_len) {
		const struct rtattr *a = (const void *)((const char *)message + at);

		if (a->rta_len < sizeof(*a) || at + a->rta_len > message->nlmsg_len)
			return NULL;
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return RTA_PAYLOAD(a) >= size ? RTA_DATA(a) : NULL;
		at += RTA_ALIGN(a->rta_len);
	}
	return NULL;
}
