// SPDX-License-Identifier: MIT
/*
 * What a tus request does with its upload.
 *
 * The bytes are the peer's, and are only stored; with a checksum they count when all of the request
 * was right.  What a request before left is never touched.
 */
#include "tus-work.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "core-headers.h"
#include "limits.h"
#include "log.h"
#include "parse.h"
#include "receive-answer.h"
#include "receive-file.h"
#include "receive-quota.h"

#define STATUS_CHECKSUM 460
#define STATUS_LOCKED	423
/* So much is written before the quota is asked again, and before the disk starts to write. */
#define ACCOUNT_STEP (1U << 20)
#define SYNC_STEP    (16U << 20)

/* --- answers --- */

/* Makes an answer without a text. */
void tus_answer_empty(struct answer *answer, unsigned status)
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

/* How far the upload is: 200, 201 or 204. */
void tus_answer_offset(const struct tus_work *w, struct answer *answer)
{
	char digest[DIGEST_HEADER_SIZE];

	tus_answer_empty(answer, w->created ? MHD_HTTP_CREATED
				 : w->head  ? MHD_HTTP_OK
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

/* Another request has it now. */
void tus_answer_locked(struct answer *answer)
{
	answer_set(answer, STATUS_LOCKED, "another request works on this upload");
	answer_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

/* Of an error, as the peer is told: -ENOENT, -EFBIG, -EDQUOT, -ENOSPC, -errno. */
void tus_answer_error(int error, struct answer *answer)
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

/* Frees it, and closes its upload; what came stays. */
void tus_work_free(void *context)
{
	struct tus_work *w = context;

	/* What came without being known to be right is as if it had not come. */
	if (w->has_checksum && !w->checked && tus_lock_enter(&w->lock))
		(void)tus_upload_cut(&w->upload, w->upload.floor);
	tus_lock_release(&w->lock);
	if (w->is_counted)
		atomic_fetch_sub(&w->server->uploads, 1);
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
		tus_answer_error(r, answer);
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
		tus_answer_offset(w, answer);
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
		tus_answer_locked(answer);
	} else if (w->has_checksum && !is_right(w)) {
		answer_set(answer, STATUS_CHECKSUM, "Upload-Checksum: what came has another one");
		tus_lock_leave(&w->lock); /* tus_work_free() cuts it off */
	} else {
		int r = fsync(u->body_fd) < 0 ? -errno : 0;

		w->checked = true;
		if (r == 0 && u->floor != TUS_NO_FLOOR)
			r = tus_upload_set_floor(u, TUS_NO_FLOOR);
		if (r < 0)
			tus_answer_error(r, answer);
		else if (u->offset < u->length)
			tus_answer_offset(w, answer);
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

static const struct request_work body_work = { take, end, tus_work_free };
static const struct request_work finish_work = { NULL, end, tus_work_free };

/* --- the start of each request --- */

/* A header of the request, or NULL. */
const char *tus_header_of(struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request_connection(request), MHD_HEADER_KIND, name);
}

static int begin_checksum(struct request *request, struct tus_work *w, struct answer *answer)
{
	const char *text = tus_header_of(request, "Upload-Checksum");

	if (!text)
		return 0;
	int r = tus_checksum_parse(text, &w->checksum);
	if (r == -ENOTSUP)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Upload-Checksum: wants " TUS_ALGORITHMS);
	else if (r < 0)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Upload-Checksum: not a checksum");
	if (r < 0)
		return r;
	sha1_init(&w->sha1);
	sha256_init(&w->sha256);
	r = tus_upload_set_floor(&w->upload, w->upload.offset);
	if (r < 0)
		tus_answer_error(r, answer);
	w->has_checksum = r == 0;
	return r;
}

/* True if its body is said to be bytes of an upload. */
bool tus_has_body_type(struct request *request)
{
	const char *type = tus_header_of(request, MHD_HTTP_HEADER_CONTENT_TYPE);

	return type && strcasecmp(type, TUS_CONTENT_TYPE) == 0;
}

/* Goes on with the work's upload, which is locked, by the request's body; or sets the answer. */
void tus_work_begin_body(struct request *request, struct tus_work *w, struct answer *answer)
{
	struct tus_upload *u = &w->upload;
	const char *length = tus_header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t bytes = 0;

	w->accounted = w->synced = u->offset;
	w->is_counted = true;
	if (atomic_fetch_add(&w->server->uploads, 1) >= LIMIT_UPLOADS) {
		receive_answer_retry(answer, MHD_HTTP_SERVICE_UNAVAILABLE,
				     "too many uploads at once");
		return;
	}
	if (length && parse_u64(length, INT64_MAX, &bytes) < 0)
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "Content-Length: not a length");
	else if (bytes > u->length - u->offset)
		answer_set(answer, MHD_HTTP_CONTENT_TOO_LARGE,
			   "that is more than is missing of the upload");
	else if (begin_checksum(request, w, answer) == 0)
		request_set_work(request, &body_work, w);
}

/* NULL: no memory, and the answer says so.  It is tus_work_free()d, or the request's. */
struct tus_work *tus_work_new(struct request *request, struct answer *answer)
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

/* Publishes the work's upload, which is complete and locked; the request waits for it. */
void tus_work_begin_finish(struct request *request, struct tus_work *w)
{
	request_set_work(request, &finish_work, w);
}
