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
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "parse.h"
#include "receive-file.h"
#include "receive-quota.h"
#include "receive.h"
#include "routes.h"
#include "tus-create.h"
#include "tus-work.h"

#define EXTENSIONS "creation,creation-with-upload,termination,checksum,expiration"

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
		tus_answer_error(r, answer);
	return r;
}

static void begin_head(struct request *request, struct tus_work *w, struct answer *answer)
{
	w->head = true;
	if (w->upload.published || w->upload.offset < w->upload.length)
		tus_answer_offset(w, answer);
	else if (tus_lock_take(&w->lock, w->upload.name) < 0)
		tus_answer_locked(answer);
	else
		tus_work_begin_finish(request, w);
}

static void begin_patch(struct request *request, const struct request_head *head,
			struct tus_work *w, struct answer *answer)
{
	const char *text = tus_header_of(request, "Upload-Offset");
	uint64_t offset;

	if (!tus_has_body_type(request)) {
		answer_set(answer, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   "wants Content-Type: " TUS_CONTENT_TYPE);
	} else if (!head->has_length) {
		answer_set(answer, MHD_HTTP_LENGTH_REQUIRED,
			   "wants Content-Length or Transfer-Encoding: chunked");
	} else if (!text || parse_u64(text, INT64_MAX, &offset) < 0) {
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Upload-Offset: not an offset");
	} else if (!w->upload.published && tus_lock_take(&w->lock, w->upload.name) < 0) {
		tus_answer_locked(answer);
	} else {
		char name[TUS_NAME_SIZE];

		/* Whoever had it before may have written up to now. */
		memcpy(name, w->upload.name, sizeof(name));
		tus_upload_close(&w->upload);
		int r = tus_upload_open(w->server->uploads_fd, name, &w->upload);
		if (r == 0 && w->upload.floor != TUS_NO_FLOOR)
			r = tus_upload_cut(&w->upload, w->upload.offset);
		if (r < 0) {
			tus_answer_error(r, answer);
		} else if (offset != w->upload.offset) {
			answer_set(answer, MHD_HTTP_CONFLICT,
				   "Upload-Offset: the upload is at %" PRIu64, w->upload.offset);
			answer_add_header(answer, "Upload-Offset", "%" PRIu64, w->upload.offset);
		} else if (w->upload.published) {
			tus_answer_offset(w, answer);
		} else {
			tus_work_begin_body(request, w, answer);
		}
	}
}

static void begin_delete(struct tus_work *w, struct answer *answer)
{
	if (tus_lock_take(&w->lock, w->upload.name) < 0) {
		tus_answer_locked(answer);
		return;
	}
	int64_t used = (int64_t)tus_upload_used(&w->upload);
	int r = tus_upload_remove(w->server->uploads_fd, w->upload.name);
	if (r < 0) {
		tus_answer_error(r, answer);
		return;
	}
	if (!w->upload.published)
		receive_quota_add(w->server->quota, w->upload.directory, -used, -1);
	tus_answer_empty(answer, MHD_HTTP_NO_CONTENT);
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
		tus_answer_error(r, answer);
	return r >= 0;
}

static void begin_post(struct request *request, const struct request_head *head, struct tus_work *w,
		       struct answer *answer)
{
	const char *directory;

	if (!receive_authorize(request, &directory, answer))
		return;
	snprintf(w->upload.directory, sizeof(w->upload.directory), "%s", directory);
	if (head->has_body && !tus_has_body_type(request)) {
		answer_set(answer, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   "a body wants Content-Type: " TUS_CONTENT_TYPE);
		return;
	}
	if (tus_describe(request_connection(request), &w->upload, answer) < 0 ||
	    !has_room(w, answer))
		return;
	int r = tus_upload_create(w->server->uploads_fd, &w->upload);
	if (r == 0)
		r = tus_lock_take(&w->lock, w->upload.name);
	if (r < 0) {
		tus_answer_error(r, answer);
		return;
	}
	receive_quota_add(w->server->quota, directory, 0, 1);
	w->created = true;
	if (head->has_body)
		tus_work_begin_body(request, w, answer);
	else
		tus_answer_offset(w, answer);
}

/* --- the routes --- */

static void answer_options(struct answer *answer)
{
	tus_answer_empty(answer, MHD_HTTP_NO_CONTENT);
	answer_add_header(answer, "Tus-Version", TUS_VERSION);
	answer_add_header(answer, "Tus-Extension", EXTENSIONS);
	answer_add_header(answer, "Tus-Max-Size", "%llu", LIMIT_RAW_BYTES);
	answer_add_header(answer, "Tus-Checksum-Algorithm", TUS_ALGORITHMS);
}

/* Is it a request of this version?  Sets the answer if not. */
static bool is_tus(struct request *request, struct answer *answer)
{
	const char *version = tus_header_of(request, "Tus-Resumable");

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
	const char *override = tus_header_of(request, "X-HTTP-Method-Override");
	const char *method = override && strcmp(head->method, MHD_HTTP_METHOD_POST) == 0
				     ? override
				     : head->method;

	if (strcmp(head->method, MHD_HTTP_METHOD_OPTIONS) == 0) {
		answer_options(answer);
	} else if (is_tus(request, answer)) {
		struct tus_work *w = tus_work_new(request, answer);

		if (w && is_upload)
			begin_upload(request, head, method, w, answer);
		else if (w)
			begin_post(request, head, w, answer);
		/* Without an answer it is the request's. */
		if (w && answer->status != 0)
			tus_work_free(w);
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
