// SPDX-License-Identifier: MIT
/*
 * Who may see which crash.
 *
 * An address alone is anybody's to take.  So a container sees the crashes that were recorded with
 * its address, if it is reached now through an interface that was recorded, too: the host's end of
 * its own link, by which nobody else can be reached.  What a proxy says of whom it speaks for
 * (X-Forwarded-For) is not asked.
 */
#include "visibility.h"

#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_MAX 64

/* The peer of a Unix socket: root, or a member of the group that reads the store. */
static void look_at_user(const struct server *server, int fd, struct visibility *v)
{
	struct ucred peer;
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	v->may_delete = peer.uid == 0;
	v->all = peer.uid == 0 || peer.uid == geteuid() || peer.gid == server->store.gid;
	len = sizeof(groups);
	if (v->all || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		v->all = v->all || groups[i] == server->store.gid;
}

static void look_at_peer(const struct sockaddr *peer, struct visibility *v)
{
	const struct sockaddr_in6 *v6 = (const void *)peer;
	const struct sockaddr_in *v4 = (const void *)peer;
	uint32_t scope = 0;

	if (peer->sa_family == AF_INET) {
		addresses_map((const uint8_t *)&v4->sin_addr, &v->address);
	} else {
		v->address = v6->sin6_addr;
		scope = v6->sin6_scope_id;
	}
	v->is_own = reach_find(&v->address, scope, &v->reach) == 0 && !v->reach.is_local;
}

/*
 * Finds out what the peer of a request may see (right TOKEN_READ), or remove as well
 * (TOKEN_DELETE): as it is now, so ask anew for each request.
 */
void visibility_of(const struct request *request, enum token_right right,
		   struct visibility *ret_visibility)
{
	const struct server *server = request_server(request);
	struct MHD_Connection *mhd = request_connection(request);
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	int family = address && address->client_addr ? address->client_addr->sa_family : AF_UNSPEC;
	const struct token *token;

	*ret_visibility = (struct visibility){ .all = server->config.scope_any };
	if (tokens_allow(server->tokens, mhd, right, &token)) {
		ret_visibility->all = true;
		ret_visibility->may_delete = right == TOKEN_DELETE;
	} else if (family == AF_UNIX) {
		const union MHD_ConnectionInfo *fd =
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

		if (fd)
			look_at_user(server, fd->connect_fd, ret_visibility);
	} else if (!ret_visibility->all && (family == AF_INET || family == AF_INET6)) {
		look_at_peer(address->client_addr, ret_visibility);
	}
}

/* True if the crash of a container with these addresses and links is the peer's to see. */
bool visibility_allows_addresses(const struct visibility *v, const struct addresses *addresses)
{
	if (v->all)
		return true;
	/* Without links it is not known by what way its container was reached: so by none. */
	return v->is_own && addresses && addresses_has(addresses, &v->address) &&
	       ((v->reach.link != 0 && addresses_has_link(addresses, v->reach.link)) ||
		(v->reach.port != 0 && addresses_has_link(addresses, v->reach.port)));
}

/* True if the peer may know of this crash. */
bool visibility_allows(const struct visibility *v, const struct index_entry *entry)
{
	/* Interfaces are numbered anew at each boot. */
	return v->all || (entry->is_this_boot && visibility_allows_addresses(v, entry->addresses));
}
