// SPDX-License-Identifier: MIT
/*
 * tus 1.0.0: POST /ANYTHING makes an upload, /ANYTHING/uploads/NAME goes on with it, over several
 * requests and over the end of a server.
 *
 * All that comes in is the peer's.  An upload has a name that cannot be guessed, and, where tokens
 * are asked for, belongs to the directory of the token that made it.
 * See: tus.io, "Resumable upload protocol 1.0.x".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/memops.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "limits.h"
#include "log.h"
#include "parse.h"
#include "receive-file.h"
#include "receive-quota.h"
#include "receive.h"
#include "routes.h"
#include "tus-create.h"
#include "tus-finish.h"
#include "tus-lock.h"

#define EXTENSIONS	"creation,creation-with-upload,termination,checksum,expiration"
#define ALGORITHMS	"sha256,sha1"
#define CONTENT_TYPE	"application/offset+octet-stream"
#define STATUS_CHECKSUM 460
#define STATUS_LOCKED	423
#define ACCOUNT_STEP	(1U << 20)
#define SYNC_STEP	(16U << 20)

/* A request that brings bytes of an upload, or asks for one that is to be finished. */
struct tus_work {
	struct server *server;
	struct tus_upload upload;
	struct tus_lock lock;
	bool created, head;
	bool has_checksum, checked;
	struct tus_checksum checksum;
	struct sha1_ctx sha1;
	struct sha256_ctx sha256;
	uint64_t accounted, synced; /* offsets */
	struct tus_finish_job job;
};

/* --- answers --- */

/* An answer without a text. */
static void answer_empty(struct answer *answer, unsigned status)
{
	answer_set(answer, status, " ");
	answer->text[0] = '\0';
}

static void answer_expires(const struct server *server, struct answer *answer)
{
	time_t when = time(NULL) + (time_t)(server->config.receive_expire_ms / 1000);
	char text[64];
	struct tm tm;

	if (server->config.receive_expire_ms == 0 || !gmtime_r(&when, &tm) ||
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
		return;
	answer_add_header(answer, "Upload-Expires", "%s", text);
}

static void answer_offset(const struct tus_work *w, struct answer *answer)
{
	char digest[DIGEST_HEADER_SIZE];

	answer_empty(answer, w->created ? MHD_HTTP_CREATED
			     : w->head	? MHD_HTTP_OK
					: MHD_HTTP_NO_CONTENT);
	if (w->created)
		answer_add_header(answer, MHD_HTTP_HEADER_LOCATION, "/uploads/%s", w->upload.name);
	answer_add_header(answer, "Upload-Offset", "%" PRIu64, w->upload.offset);
	if (w->head)
		answer_add_header(answer, "Upload-Length", "%" PRIu64, w->upload.length);
	if (w->upload.published && digest_hex_to_header(w->upload.body_sha256, digest) == 0)
		answer_add_header(answer, CORE_HEADER_REPR_DIGEST, "%s", digest);
	if (!w->upload.published)
		answer_expires(w->server, answer);
}

static void answer_locked(struct answer *answer)
{
	answer_set(answer, STATUS_LOCKED, "another request works on this upload");
	answer_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

static void answer_error(int error, struct answer *answer)
{
	if (error == -ENOENT)
		answer_set(answer, MHD_HTTP_NOT_FOUND, "there is no such upload (any more)");
	else if (error == -EFBIG)
		answer_set(answer, MHD_HTTP_CONTENT_TOO_LARGE,
			   "the upload is larger than all that may be kept here");
	else if (error == -EDQUOT)
		answer_set(answer, MHD_HTTP_INSUFFICIENT_STORAGE,
			   "as much as may be kept here is here");
	else if (error == -ENOSPC)
		answer_set(answer, MHD_HTTP_INSUFFICIENT_STORAGE, "the disk is full");
	else
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the upload cannot be stored");
	if (answer->status >= 500)
		log_error("an upload cannot be stored: %s", strerror(-error));
}

/* --- a body --- */

static void work_free(void *context)
{
	struct tus_work *w = context;

	/* What came without being known to be right is as if it had not come. */
	if (w->has_checksum && !w->checked && tus_lock_enter(&w->lock))
		(void)tus_upload_cut(&w->upload, w->upload.floor);
	tus_lock_release(&w->lock);
	tus_upload_close(&w->upload);
	free(w);
}

static int account(struct tus_work *w)
{
	struct tus_upload *u = &w->upload;
	int r = 0;

	if (u->offset - w->accounted >= ACCOUNT_STEP) {
		r = receive_quota_admit(w->server->quota, u->directory, u->offset - w->accounted,
					0);
		if (r == 0)
			receive_quota_add(w->server->quota, u->directory,
					  (int64_t)(u->offset - w->accounted), 0);
		w->accounted = u->offset;
	}
	if (r == 0 && u->offset - w->synced >= SYNC_STEP) {
		/* So that the fsync at the end has little left to do. */
		(void)sync_file_range(u->body_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		r = receive_check_space(u->body_fd, 0);
		w->synced = u->offset;
	}
	return r;
}

static void take(void *context, const char *data, size_t *len, struct answer *answer)
{
	struct tus_work *w = context;
	struct tus_upload *u = &w->upload;
	size_t n = *len;

	*len = 0;
	if (n > u->length - u->offset) {
		answer_set(answer, MHD_HTTP_CONTENT_TOO_LARGE, "more came than Upload-Length says");
		return;
	}
	if (!tus_lock_enter(&w->lock)) {
		answer_set(answer, MHD_HTTP_CONFLICT, "another request goes on with this upload");
		answer_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "1");
		return;
	}
	int r = tus_upload_write(u, data, n);
	if (r == 0)
		r = account(w);
	tus_lock_leave(&w->lock);
	if (r < 0)
		answer_error(r, answer);
	else if (w->has_checksum && w->checksum.algorithm == TUS_SHA1)
		sha1_update(&w->sha1, n, (const uint8_t *)data);
	else if (w->has_checksum)
		sha256_update(&w->sha256, n, (const uint8_t *)data);
}

/* True if what came is what the checksum says. */
static bool is_right(struct tus_work *w)
{
	uint8_t digest[TUS_DIGEST_MAX];

	if (w->checksum.algorithm == TUS_SHA1)
		sha1_digest(&w->sha1, w->checksum.len, digest);
	else
		sha256_digest(&w->sha256, w->checksum.len, digest);
	return memeql_sec(digest, w->checksum.digest, w->checksum.len);
}

static enum MHD_Result end_job(struct tus_work *w, struct answer *answer)
{
	tus_lock_leave(&w->lock);
	if (w->job.answer.status == MHD_HTTP_OK || w->job.answer.status == MHD_HTTP_CREATED)
		answer_offset(w, answer);
	else
		*answer = w->job.answer;
	answer_add_header(answer, "Tus-Resumable", TUS_VERSION);
	return MHD_YES;
}

/* All bytes of a request are there; perhaps all of the upload. */
static enum MHD_Result end(struct request *request, void *context, struct answer *answer)
{
	struct tus_work *w = context;
	struct tus_upload *u = &w->upload;

	if (w->job.done)
		return end_job(w, answer);
	if (!tus_lock_enter(&w->lock)) {
		answer_locked(answer);
	} else if (w->has_checksum && !is_right(w)) {
		answer_set(answer, STATUS_CHECKSUM, "Upload-Checksum: what came has another one");
		tus_lock_leave(&w->lock); /* work_free() cuts it off */
	} else {
		int r = fsync(u->body_fd) < 0 ? -errno : 0;

		w->checked = true;
		if (r == 0 && u->floor != TUS_NO_FLOOR)
			r = tus_upload_set_floor(u, TUS_NO_FLOOR);
		if (r < 0)
			answer_error(r, answer);
		else if (u->offset < u->length)
			answer_offset(w, answer);
		w->job.mhd = request_connection(request);
		w->job.upload = u;
		/* The lock stays busy while it is finished. */
		if (answer->status == 0 && tus_finish_add(w->server->tus_finish, &w->job))
			return MHD_YES;
		if (answer->status == 0)
			answer_set(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "the server ends");
		tus_lock_leave(&w->lock);
	}
	answer_add_header(answer, "Tus-Resumable", TUS_VERSION);
	return MHD_YES;
}

static const struct request_work body_work = { take, end, work_free };
static const struct request_work finish_work = { NULL, end, work_free };

/* --- the start of each request --- */

static const char *header_of(struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request_connection(request), MHD_HEADER_KIND, name);
}

static int begin_checksum(struct request *request, struct tus_work *w, struct answer *answer)
{
	const char *text = header_of(request, "Upload-Checksum");

	if (!text)
		return 0;
	int r = tus_checksum_parse(text, &w->checksum);
	if (r == -ENOTSUP)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Upload-Checksum: wants " ALGORITHMS);
	else if (r < 0)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Upload-Checksum: not a checksum");
	if (r < 0)
		return r;
	sha1_init(&w->sha1);
	sha256_init(&w->sha256);
	r = tus_upload_set_floor(&w->upload, w->upload.offset);
	if (r < 0)
		answer_error(r, answer);
	w->has_checksum = r == 0;
	return r;
}

static bool has_body_type(struct request *request)
{
	const char *type = header_of(request, MHD_HTTP_HEADER_CONTENT_TYPE);

	return type && strcasecmp(type, CONTENT_TYPE) == 0;
}

static void begin_body(struct request *request, struct tus_work *w, struct answer *answer)
{
	struct tus_upload *u = &w->upload;
	const char *length = header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t bytes = 0;

	w->accounted = w->synced = u->offset;
	if (length && parse_u64(length, INT64_MAX, &bytes) < 0)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Content-Length: not a length");
	else if (bytes > u->length - u->offset)
		answer_set(answer, MHD_HTTP_CONTENT_TOO_LARGE,
			   "that is more than is missing of the upload");
	else if (begin_checksum(request, w, answer) == 0)
		request_set_work(request, &body_work, w);
}

static struct tus_work *work_new(struct request *request, struct answer *answer)
{
	struct tus_work *w = calloc(1, sizeof(*w));

	if (!w) {
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
		return NULL;
	}
	w->server = request_server(request);
	w->upload.dirfd = w->upload.body_fd = -1;
	w->upload.floor = TUS_NO_FLOOR;
	return w;
}

/* Opens the upload of the path, if it is of this peer's directory. */
static int open_upload(struct request *request, const char *name, struct tus_work *w,
		       struct answer *answer)
{
	const char *directory;

	if (!receive_authorize(request, &directory, answer))
		return -EACCES;
	int r = tus_upload_open(w->server->uploads_fd, name, &w->upload);
	if (r == 0 && strcmp(w->upload.directory, directory) != 0)
		r = -ENOENT;
	if (r < 0)
		answer_error(r, answer);
	return r;
}

static void begin_head(struct request *request, struct tus_work *w, struct answer *answer)
{
	w->head = true;
	if (w->upload.published || w->upload.offset < w->upload.length)
		answer_offset(w, answer);
	else if (tus_lock_take(&w->lock, w->upload.name) < 0)
		answer_locked(answer);
	else
		request_set_work(request, &finish_work, w);
}

static void begin_patch(struct request *request, const struct request_head *head,
			struct tus_work *w, struct answer *answer)
{
	const char *text = header_of(request, "Upload-Offset");
	uint64_t offset;

	if (!has_body_type(request)) {
		answer_set(answer, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   "wants Content-Type: " CONTENT_TYPE);
	} else if (!head->has_length) {
		answer_set(answer, MHD_HTTP_LENGTH_REQUIRED,
			   "wants Content-Length or Transfer-Encoding: chunked");
	} else if (!text || parse_u64(text, INT64_MAX, &offset) < 0) {
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Upload-Offset: not an offset");
	} else if (!w->upload.published && tus_lock_take(&w->lock, w->upload.name) < 0) {
		answer_locked(answer);
	} else {
		char name[TUS_NAME_SIZE];

		/* Whoever had it before may have written up to now. */
		memcpy(name, w->upload.name, sizeof(name));
		tus_upload_close(&w->upload);
		int r = tus_upload_open(w->server->uploads_fd, name, &w->upload);
		if (r == 0 && w->upload.floor != TUS_NO_FLOOR)
			r = tus_upload_cut(&w->upload, w->upload.offset);
		if (r < 0) {
			answer_error(r, answer);
		} else if (offset != w->upload.offset) {
			answer_set(answer, MHD_HTTP_CONFLICT,
				   "Upload-Offset: the upload is at %" PRIu64, w->upload.offset);
			answer_add_header(answer, "Upload-Offset", "%" PRIu64, w->upload.offset);
		} else if (w->upload.published) {
			answer_offset(w, answer);
		} else {
			begin_body(request, w, answer);
		}
	}
}

static void begin_delete(struct tus_work *w, struct answer *answer)
{
	if (tus_lock_take(&w->lock, w->upload.name) < 0) {
		answer_locked(answer);
		return;
	}
	int64_t used = (int64_t)tus_upload_used(&w->upload);
	int r = tus_upload_remove(w->server->uploads_fd, w->upload.name);
	if (r < 0) {
		answer_error(r, answer);
		return;
	}
	if (!w->upload.published)
		receive_quota_add(w->server->quota, w->upload.directory, -used, -1);
	answer_empty(answer, MHD_HTTP_NO_CONTENT);
}

/* --- creation --- */

static bool has_room(struct tus_work *w, struct answer *answer)
{
	const struct server *server = w->server;
	int r = tus_upload_for_each(server->uploads_fd, NULL, NULL);

	if (r >= LIMIT_TUS_UPLOADS) {
		answer_set(answer, MHD_HTTP_SERVICE_UNAVAILABLE, "too many uploads are unfinished");
		answer_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "60");
		return false;
	}
	if (r >= 0)
		r = receive_quota_admit(server->quota, w->upload.directory, w->upload.length, 1);
	if (r >= 0)
		r = receive_check_space(server->uploads_fd, w->upload.length);
	if (r < 0)
		answer_error(r, answer);
	return r >= 0;
}

static void begin_post(struct request *request, const struct request_head *head, struct tus_work *w,
		       struct answer *answer)
{
	const char *directory;

	if (!receive_authorize(request, &directory, answer))
		return;
	snprintf(w->upload.directory, sizeof(w->upload.directory), "%s", directory);
	if (head->has_body && !has_body_type(request)) {
		answer_set(answer, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   "a body wants Content-Type: " CONTENT_TYPE);
		return;
	}
	if (tus_describe(request_connection(request), &w->upload, answer) < 0 ||
	    !has_room(w, answer))
		return;
	int r = tus_upload_create(w->server->uploads_fd, &w->upload);
	if (r == 0)
		r = tus_lock_take(&w->lock, w->upload.name);
	if (r < 0) {
		answer_error(r, answer);
		return;
	}
	receive_quota_add(w->server->quota, directory, 0, 1);
	w->created = true;
	if (head->has_body)
		begin_body(request, w, answer);
	else
		answer_offset(w, answer);
}

/* --- the routes --- */

static void answer_options(struct answer *answer)
{
	answer_empty(answer, MHD_HTTP_NO_CONTENT);
	answer_add_header(answer, "Tus-Version", TUS_VERSION);
	answer_add_header(answer, "Tus-Extension", EXTENSIONS);
	answer_add_header(answer, "Tus-Max-Size", "%llu", LIMIT_RAW_BYTES);
	answer_add_header(answer, "Tus-Checksum-Algorithm", ALGORITHMS);
}

/* Is it a request of this version?  Sets the answer if not. */
static bool is_tus(struct request *request, struct answer *answer)
{
	const char *version = header_of(request, "Tus-Resumable");

	if (version && strcmp(version, TUS_VERSION) == 0)
		return true;
	answer_set(answer, MHD_HTTP_PRECONDITION_FAILED, "wants Tus-Resumable: " TUS_VERSION);
	answer_add_header(answer, "Tus-Version", TUS_VERSION);
	return false;
}

static void begin_upload(struct request *request, const struct request_head *head,
			 const char *method, struct tus_work *w, struct answer *answer)
{
	char name[TUS_NAME_SIZE];

	if (tus_path_to_name(head->path, name) < 0 || open_upload(request, name, w, answer) < 0)
		return;
	if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
		begin_head(request, w, answer);
	else if (strcmp(method, MHD_HTTP_METHOD_PATCH) == 0)
		begin_patch(request, head, w, answer);
	else if (strcmp(method, MHD_HTTP_METHOD_DELETE) == 0)
		begin_delete(w, answer);
	else
		answer_set(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "an upload takes no %s",
			   MHD_HTTP_METHOD_POST);
}

static void begin(struct request *request, const struct request_head *head, bool is_upload,
		  struct answer *answer)
{
	const char *override = header_of(request, "X-HTTP-Method-Override");
	const char *method = override && strcmp(head->method, MHD_HTTP_METHOD_POST) == 0
				     ? override
				     : head->method;

	if (strcmp(head->method, MHD_HTTP_METHOD_OPTIONS) == 0) {
		answer_options(answer);
	} else if (is_tus(request, answer)) {
		struct tus_work *w = work_new(request, answer);

		if (w && is_upload)
			begin_upload(request, head, method, w, answer);
		else if (w)
			begin_post(request, head, w, answer);
		/* Without an answer it is the request's. */
		if (w && answer->status != 0)
			work_free(w);
	}
	if (answer->status != 0)
		answer_add_header(answer, "Tus-Resumable", TUS_VERSION);
}

/* True for the path of an upload. */
bool tus_upload_route_matches(const struct server *server, const char *path)
{
	char name[TUS_NAME_SIZE];

	return server->receive && tus_path_to_name(path, name) == 0;
}

/* HEAD, PATCH, DELETE, OPTIONS; a POST that says that it is one of them. */
void tus_upload_route_begin(struct request *request, const struct request_head *head,
			    struct answer *answer)
{
	begin(request, head, true, answer);
}

/* True for every path: whoever receives tells there what it takes. */
bool tus_create_route_matches(const struct server *server, const char *path)
{
	(void)path;
	return server->receive;
}

/* POST, OPTIONS. */
void tus_create_route_begin(struct request *request, const struct request_head *head,
			    struct answer *answer)
{
	begin(request, head, false, answer);
}
