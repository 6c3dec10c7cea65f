// SPDX-License-Identifier: MIT
/*
 * A core as the answer to a request: raw, or as it is stored; the whole, or a part.
 *
 * The core's bytes are the victim's: they are passed on, never interpreted.  What is for root only
 * is never sent, whatever its file modes say.
 */
#include "core-send.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core-headers.h"
#include "core-reader.h"
#include "fd.h"
#include "http-range.h"
#include "limits.h"
#include "log.h"
#include "unpack-turns.h"

#define ETAG_SIZE (CRASH_ID_SIZE + 32)

/* What is sent. */
struct selection {
	bool stored, encoded; /* the file; and said to be the core's Content-Encoding */
	uint64_t size, first, last;
	bool is_part;
	char etag[ETAG_SIZE];
	const char *sha256; /* of the whole, or "" */
};

struct body {
	struct request *request;
	struct unpack_turns *turns;
	struct unpack_turn turn;
	struct core_reader *reader; /* NULL while it is not our turn */
	int dirfd;		    /* holds the crash's lock */
	uint64_t first, size;
	char id[CRASH_ID_SIZE];
	bool waited;
};

/*
 * Opens a published crash for reading.  -ENOENT: there is none, or its record is damaged; -EACCES:
 * it is for root only; -errno.  ret_dirfd keeps it from being removed.
 */
int core_send_open(const struct server *server, const char *id, int *ret_dirfd,
		   struct crash *ret_crash)
{
	cleanup_fd int dirfd = -1;
	cleanup_crash struct crash crash;

	crash_init(&crash);
	int r = store_open_crash(&server->store, id, &dirfd);
	if (r == 0)
		r = store_read_record(dirfd, &crash);
	if (r == -EINVAL || (r == 0 && strcmp(crash.id, id) != 0))
		r = -ENOENT;
	if (r == 0 && crash.root_only)
		r = -EACCES;
	if (r < 0)
		return r;
	*ret_dirfd = fd_steal(&dirfd);
	*ret_crash = crash;
	crash_init(&crash);
	return 0;
}

/* --- the raw body, piece by piece --- */

static void give_up(void *context)
{
	struct body *body = context;

	core_reader_free(&body->reader);
}

static ssize_t read_piece(struct body *body, uint64_t position, char *buf, size_t max)
{
	int r = body->reader ? 0
			     : core_reader_open_at(body->dirfd, CRASH_CORE_RAW_NAME, &body->reader);

	/* Another size than was announced: it is another core. */
	if (r == 0 && core_reader_size(body->reader) != body->size)
		r = -ESTALE;
	return r < 0 ? r : core_reader_pread(body->reader, buf, max, body->first + position);
}

static ssize_t read_body(void *context, uint64_t position, char *buf, size_t max)
{
	struct body *body = context;

	switch (unpack_turns_enter(body->turns, &body->turn)) {
	case UNPACK_WAIT:
		body->waited = true;
		request_wait(body->request);
		return 0;
	case UNPACK_END:
		return MHD_CONTENT_READER_END_WITH_ERROR;
	case UNPACK_GO:
		break;
	}
	if (body->waited)
		request_go_on(body->request);
	body->waited = false;
	ssize_t n = read_piece(body, position, buf, max);
	unpack_turns_leave(body->turns, &body->turn, n > 0 ? (uint64_t)n : 0);
	if (n <= 0) {
		/* The length is announced: an end too soon tells the client, nothing else can. */
		log_error("crash %s: its core cannot be read at %" PRIu64 ": %s", body->id,
			  body->first + position, n < 0 ? strerror((int)-n) : "it ends there");
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	request_moved(body->request, (size_t)n);
	return n;
}

static void free_body(void *context)
{
	struct body *body = context;

	unpack_turns_forget(body->turns, &body->turn);
	core_reader_free(&body->reader);
	fd_close(&body->dirfd);
	free(body);
}

static struct MHD_Response *make_raw(struct request *request, int *dirfd, const struct crash *crash,
				     const struct selection *s)
{
	struct body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->request = request;
	body->turns = request_server(request)->unpack_turns;
	body->turn = (struct unpack_turn){ .mhd = request_connection(request),
					   .give_up = give_up,
					   .context = body };
	body->dirfd = fd_steal(dirfd);
	body->first = s->first;
	body->size = s->size;
	memcpy(body->id, crash->id, sizeof(body->id));
	struct MHD_Response *response = MHD_create_response_from_callback(
		s->last - s->first + 1, LIMIT_PULL_BLOCK, read_body, body, free_body);
	if (!response)
		free_body(body);
	return response;
}

/* --- the stored file, by sendfile(2) --- */

static int open_stored(int dirfd, int *ret_fd, uint64_t *ret_size)
{
	cleanup_fd int fd =
		openat(dirfd, CRASH_CORE_ZST_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -EINVAL;
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = fd_steal(&fd);
	return 0;
}

static struct MHD_Response *make_stored(int *fd, const struct selection *s)
{
	struct MHD_Response *response =
		MHD_create_response_from_fd_at_offset64(s->last - s->first + 1, *fd, s->first);

	if (response)
		(void)fd_steal(fd);
	return response;
}

/* --- the headers --- */

struct header_target {
	struct MHD_Response *response;
	const struct selection *selection;
};

static int add_header(void *context, const char *name, const char *value)
{
	const struct header_target *to = context;
	char digest[DIGEST_HEADER_SIZE];

	/* It is of what the body is. */
	if (strcmp(name, CORE_HEADER_REPR_DIGEST) == 0 && to->selection->stored) {
		if (digest_hex_to_header(to->selection->sha256, digest) < 0)
			return 0;
		value = digest;
	}
	return MHD_add_response_header(to->response, name, value) == MHD_YES ? 0 : -ENOMEM;
}

static bool add_headers(struct MHD_Response *response, const struct crash *crash,
			const struct selection *s)
{
	struct header_target to = { response, s };
	char range[96];

	if (s->is_part) {
		snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, s->first,
			 s->last, s->size);
		if (add_header(&to, MHD_HTTP_HEADER_CONTENT_RANGE, range) < 0)
			return false;
	}
	return add_header(&to, MHD_HTTP_HEADER_CONTENT_TYPE,
			  s->stored && !s->encoded ? "application/zstd"
						   : "application/octet-stream") == 0 &&
	       (!s->encoded || add_header(&to, MHD_HTTP_HEADER_CONTENT_ENCODING, "zstd") == 0) &&
	       add_header(&to, MHD_HTTP_HEADER_VARY, "Accept-Encoding") == 0 &&
	       add_header(&to, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes") == 0 &&
	       add_header(&to, MHD_HTTP_HEADER_ETAG, s->etag) == 0 &&
	       add_header(&to, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == 0 &&
	       add_header(&to, "X-Content-Type-Options", "nosniff") == 0 &&
	       core_headers_for_each(crash, add_header, &to) == 0;
}

static const char *header_of(struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request_connection(request), MHD_HEADER_KIND, name);
}

/* 0: send what *s says; else the answer is set. */
static int select_part(struct request *request, struct selection *s, struct answer *answer)
{
	const char *if_range = header_of(request, MHD_HTTP_HEADER_IF_RANGE);
	const char *range = header_of(request, MHD_HTTP_HEADER_RANGE);

	s->first = 0;
	s->last = s->size - 1;
	if (http_etag_matches(header_of(request, MHD_HTTP_HEADER_IF_NONE_MATCH), s->etag)) {
		answer_set(answer, MHD_HTTP_NOT_MODIFIED, "unchanged");
		answer_add_header(answer, MHD_HTTP_HEADER_ETAG, "%s", s->etag);
		return -EALREADY;
	}
	/* A date would be of no use: there is no Last-Modified. */
	if (if_range && (if_range[0] != '"' || !http_etag_matches(if_range, s->etag)))
		range = NULL;
	switch (http_range_parse(range, s->size, &s->first, &s->last)) {
	case HTTP_RANGE_NONE:
		return 0;
	case HTTP_RANGE_PART:
		s->is_part = true;
		return 0;
	case HTTP_RANGE_UNSATISFIABLE:
		answer_set(answer, MHD_HTTP_RANGE_NOT_SATISFIABLE,
			   "Range: there are %" PRIu64 " bytes", s->size);
		answer_add_header(answer, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes */%" PRIu64,
				  s->size);
		return -EALREADY;
	case HTTP_RANGE_MALFORMED:
		answer_set(answer, MHD_HTTP_BAD_REQUEST,
			   "Range: wants bytes=FIRST-LAST, bytes=FIRST- or bytes=-COUNT");
		return -EALREADY;
	}
	return 0;
}

static void answer_missing(const struct crash *crash, int r, struct answer *answer)
{
	if (r == -ENOENT) {
		answer_set(answer, MHD_HTTP_NOT_FOUND, "there is no such core");
		return;
	}
	log_error("crash %s: its core cannot be read: %s", crash->id, strerror(-r));
	answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the core cannot be read");
}

static int raw_size(int dirfd, uint64_t *ret_size)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	int r = core_reader_open_at(dirfd, CRASH_CORE_RAW_NAME, &reader);

	if (r == 0)
		*ret_size = core_reader_size(reader);
	return r == 0 && *ret_size == 0 ? -ENOENT : r;
}

/*
 * Queues the core of a crash that core_send_open() has opened (*dirfd is taken), or sets the
 * answer: there is none, it is the same as the client has, the range is wrong.  MHD_NO: the
 * connection must end.
 */
enum MHD_Result core_send(struct request *request, int *dirfd, const struct crash *crash,
			  enum core_form form, struct answer *answer)
{
	struct selection s = { .sha256 = crash->core_sha256 };
	struct MHD_Response *response;
	cleanup_fd int fd = -1;

	s.encoded = form == CORE_FORM_RAW &&
		    http_accepts(header_of(request, MHD_HTTP_HEADER_ACCEPT_ENCODING), "zstd");
	int r = form == CORE_FORM_STORED || s.encoded ? open_stored(*dirfd, &fd, &s.size) : 0;
	if (r == -ENOENT && s.encoded)
		r = 0; /* not compressed yet */
	s.stored = fd >= 0;
	s.encoded = s.encoded && s.stored;
	if (r == 0 && !s.stored)
		r = raw_size(*dirfd, &s.size);
	if (r < 0) {
		answer_missing(crash, r, answer);
		return MHD_YES;
	}
	if (s.stored)
		s.sha256 = crash->stored_sha256;
	/* A core is never changed, only its form. */
	snprintf(s.etag, sizeof(s.etag), "\"%s-%s\"", crash->id, s.stored ? "zst" : "raw");
	if (select_part(request, &s, answer) < 0)
		return MHD_YES;
	response = s.stored ? make_stored(&fd, &s) : make_raw(request, dirfd, crash, &s);
	if (!response)
		return MHD_NO;
	enum MHD_Result queued = MHD_NO;
	if (add_headers(response, crash, &s))
		queued = request_queue(request, s.is_part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK,
				       response);
	if (s.stored && queued == MHD_YES)
		request_sends(request, s.last - s.first + 1);
	MHD_destroy_response(response);
	return queued;
}
