// SPDX-License-Identifier: MIT
/*
 * The pull: which crash a client means when it asks for "the core".
 *
 * The records are the victims', the client is anybody on the network that we listen on.  What is
 * for root only is never found here, whatever its file modes say.
 */
#include "pull.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "core-send.h"
#include "fd.h"
#include "limits.h"
#include "text.h"

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_program_wanted(const struct server *server, const char *exe)
{
	const char *name = exe ? text_basename(exe) : NULL;

	for (char *const *glob = server->config.pull_match; name && *glob; glob++)
		if (fnmatch(*glob, name, 0) == 0)
			return true;
	return false;
}

struct search {
	const struct server *server;
	const struct visibility *visibility;
	uint64_t now_us;
	char id[CRASH_ID_SIZE];
};

/* The window first: it leaves nearly none to look at. */
static int is_wanted(void *context, const struct index_entry *e)
{
	struct search *search = context;

	/* The clock may have been set back since: then it is a difference all the same. */
	if (e->published_us == 0 || e->root_only ||
	    difference(search->now_us, e->published_us) >
		    search->server->config.pull_window_ms * 1000 ||
	    !is_program_wanted(search->server, e->exe) || !visibility_allows(search->visibility, e))
		return 0;
	memcpy(search->id, e->id, sizeof(search->id));
	return 1;
}

/* True if the capture is one to wait for. */
static bool is_pending(const struct server *server, const struct visibility *visibility,
		       const struct index_pending *pending)
{
	cleanup_fd int dirfd = -1;
	cleanup_crash struct crash crash;

	crash_init(&crash);
	int r = store_open_partial(&server->store, pending->id, &dirfd);
	if (r < 0)
		return r == -ENOENT; /* published since it was listed: look again */
	if (store_read_record(dirfd, &crash) == 0)
		return !crash.root_only && is_program_wanted(server, crash.exe) &&
		       visibility_allows_addresses(visibility, &crash.addresses) &&
		       difference(clock_now_us(), crash.time_us) < LIMIT_CAPTURE_AGE_MS * 1000ULL;
	/* Small ones have none yet: whose it is will be known in a moment. */
	return clock_monotonic_ms() - pending->seen_ms < LIMIT_NO_RECORD_MS;
}

static bool is_any_pending(const struct server *server, const struct visibility *visibility)
{
	cleanup_free struct index_pending *pending = calloc(LIMIT_PENDING, sizeof(*pending));
	size_t count = pending ? store_index_pending(server->index, pending, LIMIT_PENDING) : 0;

	for (size_t i = 0; i < count; i++)
		if (is_pending(server, visibility, &pending[i]))
			return true;
	return false;
}

/* Its core may have been removed since. */
static bool has_core(const struct crash *crash, int dirfd)
{
	struct stat st;

	return crash->core_file && (fstatat(dirfd, CRASH_CORE_ZST_NAME, &st, 0) == 0 ||
				    fstatat(dirfd, CRASH_CORE_RAW_NAME, &st, 0) == 0 ||
				    fstatat(dirfd, CRASH_CORE_ZST_NAME, &st, 0) == 0);
}

/*
 * Finds the newest crash that the client may see, that was published within the window, is of a
 * wanted program and has a core.  PULL_FOUND: as core_send_open(); PULL_PENDING; PULL_NONE.
 */
int pull_find(const struct server *server, const struct visibility *visibility, int *ret_dirfd,
	      struct crash *ret_crash)
{
	struct search search = { .server = server,
				 .visibility = visibility,
				 .now_us = clock_now_us() };
	const char *before = NULL;
	char last[CRASH_ID_SIZE];

	store_index_catch_up(server->index);
	/* Before the others: what is published in between is then seen in both. */
	bool pending = is_any_pending(server, visibility);

	while (store_index_walk(server->index, before, is_wanted, &search) != 0) {
		cleanup_fd int dirfd = -1;
		cleanup_crash struct crash crash;

		crash_init(&crash);
		if (core_send_open(server, search.id, &dirfd, &crash) == 0 &&
		    has_core(&crash, dirfd)) {
			*ret_dirfd = fd_steal(&dirfd);
			*ret_crash = crash;
			crash_init(&crash);
			return PULL_FOUND;
		}
		memcpy(last, search.id, sizeof(last));
		before = last;
	}
	return pending ? PULL_PENDING : PULL_NONE;
}
