// SPDX-License-Identifier: MIT
/*
 * Deadlines of connections: libmicrohttpd ends those that are silent, this ends those that drip.
 *
 * Whoever reaches the port is on the other end.  A thread looks at all connections once a second
 * and shuts the late ones down; libmicrohttpd then sees their end, as if the peer had hung up.
 */
#include "connections.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "clock.h"
#include "limits.h"

#define LOOK_EVERY_MS 1000

struct connection {
	struct connection *next, **previous_next;
	int fd; /* libmicrohttpd's, open as long as this is in the list */
	_Atomic int state;
	_Atomic uint64_t since_ms;
	_Atomic uint64_t moved; /* bytes since then */
	uint64_t acked;		/* the looking thread's own: of what we sent, when it looked last */
	uint64_t seen_moved;	/* the looking thread's own: the same, when it looked last */
	_Atomic bool late;
};

/*
 * True if the peer has hung up in the middle of its request.  libmicrohttpd misses that where the
 * last data and the end came at once, and would keep the upload's place until it times out.
 */
static bool is_gone(struct connection *c)
{
	struct pollfd poll_fd = { .fd = c->fd, .events = POLLRDHUP };
	uint64_t moved = atomic_load(&c->moved);
	bool still = moved == c->seen_moved;
	int unread = 0;

	c->seen_moved = moved;
	return still && poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLRDHUP) &&
	       ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* How many bytes the peer has acknowledged in all; -1: that cannot be known (no TCP). */
static int64_t bytes_acked(const struct connection *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return -1;
	return (int64_t)info.tcpi_bytes_acked;
}

/* So much goes out without us (sendfile) that only the kernel knows. */
static bool has_sent_enough(struct connection *c)
{
	int64_t acked = bytes_acked(c);
	bool enough = acked < 0 || (uint64_t)acked - c->acked >= LIMIT_WINDOW_BYTES;

	c->acked = acked < 0 ? 0 : (uint64_t)acked;
	return enough;
}

/* True if the peer had its time. */
static bool is_late(struct connection *c, uint64_t now_ms)
{
	uint64_t since = atomic_load(&c->since_ms);
	uint64_t age = now_ms > since ? now_ms - since : 0;

	switch (atomic_load(&c->state)) {
	case CONNECTION_HEADERS:
		return age > LIMIT_HEADER_MS;
	case CONNECTION_RECEIVING:
		if (age <= LIMIT_WINDOW_MS)
			return false;
		atomic_store(&c->since_ms, now_ms);
		return atomic_exchange(&c->moved, 0) < LIMIT_WINDOW_BYTES;
	case CONNECTION_SENDING:
		if (age <= LIMIT_WINDOW_MS)
			return false;
		atomic_store(&c->since_ms, now_ms);
		return !has_sent_enough(c);
	default:
		return false;
	}
}

static void *look(void *context)
{
	struct connections *all = context;
	struct timespec until;

	pthread_mutex_lock(&all->lock);
	while (!all->stopping) {
		uint64_t now_ms = clock_monotonic_ms();

		for (struct connection *c = all->first; c; c = c->next) {
			bool late = is_late(c, now_ms);

			if (late)
				atomic_store(&c->late, true);
			if (late || (atomic_load(&c->state) == CONNECTION_RECEIVING && is_gone(c)))
				shutdown(c->fd, SHUT_RDWR);
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LOOK_EVERY_MS / 1000;
		pthread_cond_timedwait(&all->wake, &all->lock, &until);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

/* Starts looking. 0 or -errno. */
int connections_start(struct connections *all)
{
	pthread_condattr_t attributes;

	*all = (struct connections){ 0 };
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&all->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	int r = -pthread_create(&all->thread, NULL, look, all);
	all->is_started = r == 0;
	return r;
}

/* Ends it, when libmicrohttpd has ended all connections. */
void connections_stop(struct connections *all)
{
	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	pthread_cond_signal(&all->wake);
	pthread_mutex_unlock(&all->lock);
	pthread_join(all->thread, NULL);
	pthread_cond_destroy(&all->wake);
	pthread_mutex_destroy(&all->lock);
}

/*
 * A connection came or went: libmicrohttpd's MHD_NotifyConnectionCallback.  It calls this before it
 * closes the socket, so a descriptor in the list is always the connection's own.
 */
void connections_notify(void *connections, struct MHD_Connection *mhd, void **context,
			enum MHD_ConnectionNotificationCode code)
{
	struct connections *all = connections;
	struct connection *c;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		c = *context;
		*context = NULL;
		if (!c)
			return;
		pthread_mutex_lock(&all->lock);
		*c->previous_next = c->next;
		if (c->next)
			c->next->previous_next = c->previous_next;
		pthread_mutex_unlock(&all->lock);
		free(c);
		return;
	}

	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	c = info ? calloc(1, sizeof(*c)) : NULL;
	*context = c;
	if (!c)
		return;
	c->fd = info->connect_fd;
	connection_set_state(c, CONNECTION_HEADERS);
	pthread_mutex_lock(&all->lock);
	c->next = all->first;
	c->previous_next = &all->first;
	if (c->next)
		c->next->previous_next = &c->next;
	all->first = c;
	pthread_mutex_unlock(&all->lock);
}

/* Ours of libmicrohttpd's; NULL if there was no memory for it, which the functions below take. */
struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* The connection does something else now: its time starts anew. */
void connection_set_state(struct connection *c, enum connection_state state)
{
	if (!c)
		return;
	atomic_store(&c->moved, 0);
	atomic_store(&c->since_ms, clock_monotonic_ms());
	atomic_store(&c->state, (int)state);
}

/* So many bytes of a body came or went. */
void connection_moved(struct connection *c, size_t bytes)
{
	if (c)
		atomic_fetch_add(&c->moved, bytes);
}

/* True if we ended it, because the peer was too slow. */
bool connection_was_late(const struct connection *c)
{
	return c && atomic_load(&c->late);
}
