// SPDX-License-Identifier: MIT
/*
 * The pull: which crash a client means when it asks for "the core", and the answer.
 *
 * The records are the victims', the client is anybody on the network that we listen on.  What is
 * for root only is never found here, whatever its file modes say.
 */
#include "pull.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "core-headers.h"
#include "fd.h"
#include "limits.h"
#include "log.h"
#include "request.h"
#include "text.h"

#define PULL_BLOCK_BYTES (256U << 10)

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_wanted(const struct server *server, const struct crash *crash)
{
	if (crash->root_only || !crash->exe)
		return false;
	const char *name = text_basename(crash->exe);

	for (char *const *glob = server->config.pull_match; *glob; glob++)
		if (fnmatch(*glob, name, 0) == 0)
			return true;
	return false;
}

/*
 * Saves opening the records of a large store: a directory that did not change within the window was
 * not published within it either, since the record is written last.
 */
static bool may_be_recent(const struct server *server, const char *id, uint64_t now_us)
{
	struct stat st;

	if (fstatat(server->store.crashes_fd, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	uint64_t changed_us =
		(uint64_t)st.st_ctim.tv_sec * 1000000 + (uint64_t)st.st_ctim.tv_nsec / 1000;
	/* The file system's clock ticks coarsely, a second is ample. */
	return changed_us + server->config.pull_window_ms * 1000 + 1000000 >= now_us;
}

static bool is_in_window(const struct server *server, const struct crash *crash)
{
	/* The clock may have been set back since: then it is a difference all the same. */
	return crash->published_us != 0 && difference(clock_now_us(), crash->published_us) <=
						   server->config.pull_window_ms * 1000;
}

/* Opens the core in whichever form it is in now: it may be compressed while we look. */
static int open_core(int dirfd, const struct crash *crash, struct core_reader **ret_reader)
{
	int r = -ENOENT;

	if (!crash->core_file)
		return -ENOENT;
	bool zst = strcmp(crash->core_file, CRASH_CORE_ZST_NAME) == 0;
	const char *other = zst ? CRASH_CORE_RAW_NAME : CRASH_CORE_ZST_NAME;
	const char *const names[] = { crash->core_file, other, crash->core_file };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && r == -ENOENT; i++)
		r = core_reader_open_at(dirfd, names[i], ret_reader);
	return r;
}

/* PULL_FOUND, or PULL_NONE: this one is not what is asked for. */
static int try_published(const struct server *server, const char *id, struct crash *ret_crash,
			 struct core_reader **ret_reader)
{
	cleanup_fd int dirfd = -1;
	cleanup_crash struct crash crash;

	crash_init(&crash);
	if (store_open_crash(&server->store, id, &dirfd) < 0 ||
	    store_read_record(dirfd, &crash) < 0 || !is_wanted(server, &crash) ||
	    !is_in_window(server, &crash))
		return PULL_NONE;
	int r = open_core(dirfd, &crash, ret_reader);
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("crash %s: its core cannot be read: %s", id, strerror(-r));
		return PULL_NONE;
	}
	crash.core_size = core_reader_size(*ret_reader);
	*ret_crash = crash;
	crash_init(&crash);
	return PULL_FOUND;
}

/* True if the capture is one to wait for. */
static bool is_pending(const struct server *server, const char *id)
{
	cleanup_fd int dirfd = -1;
	cleanup_crash struct crash crash;
	struct stat st;
	uint64_t now_us = clock_now_us();

	crash_init(&crash);
	int r = store_open_partial(&server->store, id, &dirfd);
	if (r < 0)
		return r == -ENOENT; /* published since it was listed: look again */
	if (store_read_record(dirfd, &crash) == 0)
		return is_wanted(server, &crash) &&
		       difference(now_us, crash.time_us) < LIMIT_CAPTURE_AGE_MS * 1000ULL;
	if (fstat(dirfd, &st) < 0)
		return false;
	return difference(now_us, (uint64_t)st.st_mtim.tv_sec * 1000000) <
	       LIMIT_NO_RECORD_MS * 1000ULL;
}

/*
 * Finds the newest crash that was published within the window, is of a wanted program, has a core
 * and is not root's alone.
 * PULL_FOUND: *ret_crash and *ret_reader are the caller's; PULL_PENDING; PULL_NONE; or -errno.
 */
int pull_find(const struct server *server, struct crash *ret_crash, struct core_reader **ret_reader)
{
	cleanup_free char(*partial)[CRASH_ID_SIZE] = NULL;
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t partial_count = 0, count = 0;
	uint64_t now_us = clock_now_us();

	/* In this order: what is published in between is then seen in both lists, not in none. */
	int r = store_list_partial(&server->store, &partial, &partial_count);
	if (r == 0)
		r = store_list(&server->store, &ids, &count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (may_be_recent(server, ids[i], now_us) &&
		    try_published(server, ids[i], ret_crash, ret_reader) == PULL_FOUND)
			return PULL_FOUND;
	for (size_t i = 0; i < partial_count; i++)
		if (is_pending(server, partial[i]))
			return PULL_PENDING;
	return PULL_NONE;
}

/* The same, without taking it. */
int pull_probe(const struct server *server)
{
	cleanup_crash struct crash crash;
	cleanup_core_reader struct core_reader *reader = NULL;

	crash_init(&crash);
	return pull_find(server, &crash, &reader);
}

/* --- the answer --- */

struct body {
	struct request *request;
	struct core_reader *reader;
	char id[CRASH_ID_SIZE];
};

static ssize_t read_body(void *context, uint64_t position, char *buf, size_t max)
{
	struct body *body = context;
	ssize_t n = core_reader_pread(body->reader, buf, max, position);

	if (n <= 0) {
		/* The length is announced: an end too soon tells the client, and nothing else can.
		 */
		log_error("crash %s: its core cannot be read at %llu: %s", body->id,
			  (unsigned long long)position,
			  n < 0 ? strerror((int)-n) : "it ends there");
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	request_moved(body->request, (size_t)n);
	return n;
}

static void free_body(void *context)
{
	struct body *body = context;

	core_reader_free(&body->reader);
	free(body);
}

static int add_header(void *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES ? 0 : -ENOMEM;
}

/*
 * Queues the core of a crash: its headers, and (not for HEAD) the raw bytes, block by block.  The
 * reader is taken.  MHD_NO: the connection must end.
 */
enum MHD_Result pull_send(struct request *request, const struct crash *crash,
			  struct core_reader **reader)
{
	struct body *body = calloc(1, sizeof(*body));

	if (!body)
		return MHD_NO;
	memcpy(body->id, crash->id, sizeof(body->id));
	body->request = request;
	body->reader = ptr_steal(reader);

	struct MHD_Response *response = MHD_create_response_from_callback(
		core_reader_size(body->reader), PULL_BLOCK_BYTES, read_body, body, free_body);
	if (!response) {
		free_body(body);
		return MHD_NO;
	}
	enum MHD_Result r = MHD_NO;
	if (add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream") == 0 &&
	    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == 0 &&
	    core_headers_for_each(crash, add_header, response) == 0)
		r = request_queue(request, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return r;
}
