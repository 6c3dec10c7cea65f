// SPDX-License-Identifier: MIT
/*
 * The receiver: a PUT of a core becomes a crash in the directory of --receive, which has the layout
 * of a store's crashes.
 *
 * All that comes in is the peer's.  Names are made of a checked crash id and of constants, below
 * one directory descriptor; a crash is visible when it is whole, by one rename, or never.
 */
#include "receive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "exec.h"
#include "fd.h"
#include "limits.h"
#include "log.h"
#include "parse.h"
#include "receive-answer.h"
#include "receive-directory.h"
#include "receive-file.h"
#include "receive-quota.h"
#include "tokens.h"

/* So much is written before the quota is asked again. */
#define QUOTA_STEP (1U << 20)

struct receive {
	struct server *server;
	char directory[TOKEN_DIRECTORY_SIZE];
	struct store target;  /* the same, opened */
	uint64_t accounted;   /* bytes that the quota knows of */
	bool counted;	      /* and the core itself */
	uint64_t least_bytes; /* that the core is sure to take */
	struct receive_headers headers;
	int dirfd;		     /* .ID.partial, or -1 */
	int core_fd;		     /* the core in it, or -1 */
	bool compare;		     /* the crash is there already: see whether it is the same */
	char there[DIGEST_HEX_SIZE]; /* its raw digest then */
	struct receive_file *file;
	char body_sha256[DIGEST_HEX_SIZE];
};

/* --- the start --- */

struct header_reader {
	struct receive_headers *headers;
	char why[RECEIVE_WHY_SIZE];
	int error;
};

static enum MHD_Result read_header(void *context, enum MHD_ValueKind kind, const char *name,
				   size_t name_len, const char *value, size_t value_len)
{
	struct header_reader *reader = context;

	(void)kind;
	/* A NUL would hide what stands behind it. */
	if (!value || strlen(name) != name_len || strlen(value) != value_len) {
		snprintf(reader->why, sizeof(reader->why), "a header is not a text");
		reader->error = -EINVAL;
	} else {
		reader->error = receive_headers_take(reader->headers, name, value, reader->why);
	}
	return reader->error < 0 ? MHD_NO : MHD_YES;
}

static int read_headers(struct receive *receive, struct MHD_Connection *mhd, const char *id,
			struct answer *refusal)
{
	struct header_reader reader = { .headers = &receive->headers };
	int r = receive_headers_init(&receive->headers, id);

	if (r == 0) {
		MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, read_header, &reader);
		r = reader.error;
	}
	if (r == -EINVAL)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST, "%s", reader.why);
	else if (r < 0)
		receive_answer_error(&receive->headers, r, refusal);
	else if (receive->headers.size > LIMIT_RAW_BYTES)
		answer_set(refusal, MHD_HTTP_CONTENT_TOO_LARGE,
			   "X-Core-Size is more than %llu bytes", LIMIT_RAW_BYTES);
	return refusal->status != 0 ? -EINVAL : 0;
}

/* The crash is there already. -EALREADY: answered, from what the headers say. */
static int begin_comparing(struct receive *receive, int there_fd, struct answer *answer)
{
	cleanup_crash struct crash crash;
	const char *announced = receive->headers.raw_sha256;

	crash_init(&crash);
	if (store_read_record(there_fd, &crash) < 0 || !crash.core_sha256[0] ||
	    (*announced && strcmp(announced, crash.core_sha256) != 0)) {
		receive_answer_other(answer);
		return -EALREADY;
	}
	if (*announced) {
		receive_answer_stored(&receive->headers, MHD_HTTP_OK, crash.core_size,
				      crash.core_sha256, answer);
		return -EALREADY;
	}
	memcpy(receive->there, crash.core_sha256, sizeof(receive->there));
	receive->compare = true;
	return 0;
}

static int begin_storing(struct receive *receive)
{
	receive->core_fd = openat(receive->dirfd, CRASH_CORE_RAW_NAME,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (receive->core_fd < 0)
		return -errno;
	return store_own_file(&receive->target, receive->core_fd, false);
}

static void abandon(struct receive *receive)
{
	receive_file_free(&receive->file);
	fd_close(&receive->core_fd);
	if (receive->dirfd < 0)
		return;
	fd_close(&receive->dirfd);
	receive_discard(&receive->target, receive->headers.crash.id);
	receive_quota_add(receive->server->quota, receive->directory, -(int64_t)receive->accounted,
			  receive->counted ? -1 : 0);
}

/* What is sure to come has room? */
static int admit(struct receive *receive)
{
	struct receive_quota *quota = receive->server->quota;
	int r = receive_quota_admit(quota, receive->directory, receive->least_bytes, 1);

	if (r < 0)
		return r;
	receive_quota_add(quota, receive->directory, 0, 1);
	receive->counted = true;
	return 0;
}

/* What came since the quota was asked last has room? */
static int account(struct receive *receive)
{
	struct receive_quota *quota = receive->server->quota;
	uint64_t written = receive_file_written(receive->file);
	uint64_t more = written - receive->accounted;

	if (more < QUOTA_STEP)
		return 0;
	int r = receive_quota_admit(quota, receive->directory, more, 0);
	if (r < 0) /* is it too much, or only now? */
		return receive_quota_admit(quota, receive->directory, written, 0);
	receive_quota_add(quota, receive->directory, (int64_t)more, 0);
	receive->accounted = written;
	return 0;
}

static bool is_there(const struct receive *receive)
{
	cleanup_fd int fd = -1;

	return store_open_crash(&receive->target, receive->headers.crash.id, &fd) == 0;
}

static void begin(struct receive *receive, bool zst, struct answer *refusal)
{
	const struct store *received = &receive->target;
	const char *id = receive->headers.crash.id;
	cleanup_fd int there_fd = -1;
	uint64_t raw_max = receive->headers.seen & 1U << CORE_HEADER_SIZE ? receive->headers.size
									  : LIMIT_RAW_BYTES;

	/* Before there is anything of it that could be counted. */
	int r = is_there(receive) ? 0 : admit(receive);
	if (r < 0) {
		receive_answer_error(&receive->headers, r, refusal);
		return;
	}
	/* The directory is also the lock: whoever has made it is the only one to publish this id.
	 */
	r = store_begin(received, id, &receive->dirfd);
	if (r == -EEXIST) {
		receive_answer_retry(refusal, MHD_HTTP_CONFLICT,
				     "this core is being received already");
		return;
	}
	if (r == 0) {
		r = store_open_crash(received, id, &there_fd);
		if (r == 0) {
			abandon(receive);
			r = begin_comparing(receive, there_fd, refusal);
		} else if (r == -ENOENT) {
			r = begin_storing(receive);
		}
	}
	if (r == 0)
		r = receive_file_new(receive->core_fd, zst, raw_max, &receive->file);
	if (r < 0 && r != -EALREADY)
		receive_answer_error(&receive->headers, r, refusal);
}

static struct receive *receive_new(struct server *server, const char *directory,
				   struct answer *refusal)
{
	struct receive *receive = calloc(1, sizeof(*receive));

	if (!receive) {
		answer_set(refusal, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
		return NULL;
	}
	receive->server = server;
	receive->dirfd = receive->core_fd = receive->target.crashes_fd = -1;
	snprintf(receive->directory, sizeof(receive->directory), "%s", directory);
	crash_init(&receive->headers.crash);
	int r = receive_directory_open(&server->received, directory, &receive->target);
	if (atomic_fetch_add(&server->uploads, 1) >= LIMIT_UPLOADS)
		receive_answer_retry(refusal, MHD_HTTP_SERVICE_UNAVAILABLE,
				     "too many uploads at once");
	else if (r < 0)
		receive_answer_error(&receive->headers, r, refusal);
	return receive;
}

/*
 * Begins to receive the core of the crash `id` (checked), whose headers the connection has, into a
 * directory below that of --receive ("": that itself). NULL: refused, or nothing is left to do;
 * refusal then tells the peer.
 */
struct receive *receive_begin(struct server *server, struct MHD_Connection *mhd,
			      const char *directory, const char *id, bool zst,
			      struct answer *refusal)
{
	struct receive *receive = receive_new(server, directory, refusal);

	const char *length =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* A raw core may be mostly holes. */
	if (receive && zst && length)
		(void)parse_u64(length, INT64_MAX, &receive->least_bytes);
	if (receive && refusal->status == 0 && read_headers(receive, mhd, id, refusal) == 0)
		begin(receive, zst, refusal);
	if (refusal->status != 0)
		receive_free(&receive);
	return receive;
}

/* The same with headers (taken over, whatever happens) that came before. */
struct receive *receive_begin_with(struct server *server, const char *directory,
				   struct receive_headers *headers, bool zst,
				   struct answer *refusal)
{
	struct receive *receive = receive_new(server, directory, refusal);

	if (receive) {
		receive->headers = *headers;
		crash_init(&headers->crash);
	}
	if (receive && refusal->status == 0)
		begin(receive, zst, refusal);
	if (refusal->status != 0)
		receive_free(&receive);
	receive_headers_release(headers);
	return receive;
}

/*
 * Takes *len bytes of the body, and tells in *len how many it left for later.  If there is a
 * refusal afterwards, the upload is over and what was stored of it is gone.
 */
void receive_take(struct receive *receive, const char *data, size_t *len, struct answer *refusal)
{
	int r = receive_file_take(receive->file, data, len);

	if (r == 0)
		r = account(receive);
	if (r == 0)
		return;
	receive_answer_error(&receive->headers, r, refusal);
	abandon(receive);
	*len = 0;
}

/* --- the end --- */

/* Is it what the headers said? */
static bool check(const struct receive *receive, const struct receive_result *result,
		  struct answer *refusal)
{
	const struct receive_headers *headers = &receive->headers;

	if (headers->any_sha256[0] && strcmp(headers->any_sha256, result->body_sha256) != 0 &&
	    strcmp(headers->any_sha256, result->raw_sha256) != 0)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST,
			   "sha256: what came has another digest, unpacked too");
	else if (headers->body_sha256[0] && strcmp(headers->body_sha256, result->body_sha256) != 0)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST,
			   "Repr-Digest: the body that came has another digest");
	else if (headers->seen & 1U << CORE_HEADER_SIZE && headers->size != result->raw_size)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST,
			   "X-Core-Size: the core that came has %" PRIu64 " bytes",
			   result->raw_size);
	else if (headers->raw_sha256[0] && strcmp(headers->raw_sha256, result->raw_sha256) != 0)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST,
			   "X-Core-Sha256: the core that came has another digest");
	return refusal->status == 0;
}

static int sync_record(int dirfd)
{
	cleanup_fd int fd = openat(dirfd, CRASH_JSON_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 || fsync(dirfd) < 0 ? -errno : 0;
}

/* Whoever hears 201 may forget its copy, so all is on the disk before. */
static int publish(struct receive *receive, const struct receive_result *result)
{
	const struct store *received = &receive->target;
	struct crash *crash = &receive->headers.crash;

	crash->core_size = crash->stored_size = result->raw_size;
	memcpy(crash->core_sha256, result->raw_sha256, sizeof(crash->core_sha256));
	memcpy(crash->stored_sha256, result->raw_sha256, sizeof(crash->stored_sha256));
	crash->published_us = clock_now_us();
	int r = crash_set_string(&crash->core_file, CRASH_CORE_RAW_NAME);
	if (r == 0)
		r = store_write_record(received, receive->dirfd, crash);
	if (r == 0)
		r = sync_record(receive->dirfd);
	if (r == 0)
		r = store_publish(received, crash->id);
	if (r < 0)
		return r;
	fd_close(&receive->dirfd);
	receive->counted = false; /* it is no more ours */
	return fsync(received->crashes_fd) < 0 ? -errno : 0;
}

/* The program of --exec, if there is one. */
static void tell(const struct receive *receive)
{
	const struct server *server = receive->server;
	const struct crash *crash = &receive->headers.crash;
	int r = server->exec_fd < 0 ? 0
				    : exec_notify(server->exec_fd, server->received_path,
						  receive->directory, crash);

	if (r < 0)
		log_error("exec %s: not started: %s", crash->id,
			  r == -EAGAIN ? "too many wait already" : strerror(-r));
}

/* The body is complete: checks it, and publishes the crash. The answer tells which. */
void receive_end(struct receive *receive, struct answer *answer)
{
	struct receive_result result;
	int r = receive_file_finish(receive->file, &result);

	if (r == 0)
		memcpy(receive->body_sha256, result.body_sha256, sizeof(receive->body_sha256));
	if (r == 0 && check(receive, &result, answer)) {
		if (receive->compare && strcmp(receive->there, result.raw_sha256) == 0) {
			receive_answer_stored(&receive->headers, MHD_HTTP_OK, result.raw_size,
					      result.raw_sha256, answer);
		} else if (receive->compare) {
			receive_answer_other(answer);
		} else {
			r = publish(receive, &result);
			if (r == 0)
				tell(receive);
			if (r == 0)
				receive_answer_stored(&receive->headers, MHD_HTTP_CREATED,
						      result.raw_size, result.raw_sha256, answer);
		}
	}
	if (r == -EEXIST)
		receive_answer_other(answer);
	else if (r < 0)
		receive_answer_error(&receive->headers, r, answer);
	abandon(receive);
}

/* The digest of the body, once it has ended; else "". */
const char *receive_body_sha256(const struct receive *receive)
{
	return receive->body_sha256;
}

/* Frees it; what was not published is removed. */
void receive_free(struct receive **receive)
{
	if (!*receive)
		return;
	abandon(*receive);
	atomic_fetch_sub(&(*receive)->server->uploads, 1);
	receive_headers_release(&(*receive)->headers);
	store_close(&(*receive)->target);
	free(*receive);
	*receive = NULL;
}
