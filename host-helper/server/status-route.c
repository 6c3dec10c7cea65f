// SPDX-License-Identifier: MIT
/*
 * GET /healthz and /metrics: for who watches over the host.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "clock.h"
#include "fd.h"
#include "limits.h"
#include "metrics.h"
#include "routes.h"
#include "visibility.h"

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define BLOCK_BYTES  512 /* what st_blocks counts. See: stat(3type) */

/* How large the store is changes slowly, and is asked of each crash: so it is kept for a while. */
#define USE_KEEP_MS 30000

/* True for /healthz, of any server. */
bool health_route_matches(const struct server *server, const char *path)
{
	(void)server;
	return strcmp(path, "/healthz") == 0;
}

/* Answers anybody: it tells nothing but that we are there, and can read what we serve. */
void health_route_begin(struct request *request, const struct request_head *head,
			struct answer *answer)
{
	const struct server *server = request_server(request);
	struct stat st;

	(void)head;
	if (server->pull && fstatat(server->store.crashes_fd, ".", &st, 0) < 0)
		answer_set(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "the store cannot be read");
	else
		answer_set(answer, MHD_HTTP_OK, "ok");
}

/* True for /metrics, where cores are served. */
bool metrics_route_matches(const struct server *server, const char *path)
{
	return server->pull && strcmp(path, "/metrics") == 0;
}

struct use {
	int crashes_fd;
	uint64_t bytes;
};

static int add_core(void *context, const struct index_entry *e)
{
	static const char *const names[] = { CRASH_CORE_ZST_NAME, CRASH_CORE_RAW_NAME };
	struct use *use = context;
	char path[CRASH_ID_SIZE + 16];
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", e->id, names[i]);
		if (fstatat(use->crashes_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			use->bytes += (uint64_t)st.st_blocks * BLOCK_BYTES;
	}
	return 0;
}

static uint64_t stored_bytes(struct server *server)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct use use = { .crashes_fd = server->store.crashes_fd };

	if (now_ms < atomic_load(&server->use_until_ms))
		return atomic_load(&server->use_bytes);
	(void)store_index_walk(server->index, NULL, add_core, &use);
	atomic_store(&server->use_bytes, use.bytes);
	atomic_store(&server->use_until_ms, now_ms + USE_KEEP_MS);
	return use.bytes;
}

static void look(struct server *server, struct metrics_gauges *g)
{
	struct index_pending pending[LIMIT_PENDING];
	cleanup_free char *pattern = NULL;
	struct statvfs disk;
	size_t len;

	g->crashes = store_index_count(server->index);
	g->captures = store_index_pending(server->index, pending, LIMIT_PENDING);
	g->stored_bytes = stored_bytes(server);
	if (fstatvfs(server->store.crashes_fd, &disk) == 0) {
		g->free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
		g->total_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
	}
	if (file_read_at(AT_FDCWD, CORE_PATTERN, 256, &pattern, &len) == 0)
		g->is_registered = metrics_is_registered(pattern);
	g->requests = atomic_load(&server->requests);
	g->uploads = atomic_load(&server->uploads);
	g->followers = atomic_load(&server->followers);
}

/* Answers those who may see all crashes: the numbers are of all containers. */
void metrics_route_begin(struct request *request, const struct request_head *head,
			 struct answer *answer)
{
	struct server *server = request_server(request);
	struct visibility visibility;
	struct counters_snapshot counters = { 0 };
	struct metrics_gauges gauges = { 0 };
	cleanup_counters struct counters file = { NULL, 0 };
	size_t len = 0;

	(void)head;
	visibility_of(request, TOKEN_READ, &visibility);
	if (!visibility.all) {
		answer_set(answer, MHD_HTTP_FORBIDDEN,
			   "the numbers are of all containers: wants a token, or scope = any");
		return;
	}
	gauges.has_counters =
		counters_open(server->store.dir_fd, server->store.gid, false, &file) == 0 &&
		counters_read(&file, &counters) == 0;
	look(server, &gauges);
	cleanup_free char *text = metrics_write(&counters, &gauges, &len);
	if (text)
		answer_take_body(answer, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
				 &text, len);
	else
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
}
