// SPDX-License-Identifier: MIT
/*
 * tus 1.0.0: an upload that goes on where it was cut.  See:
 * https://tus.io/protocols/resumable-upload.
 *
 * How much the server has is its own word.  It decides from where we send on, so it is not taken
 * unless it can be true: an offset that goes back, beyond the end, or beyond what was sent ends the
 * push for good.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "fd.h"
#include "http.h"
#include "log.h"
#include "push-http.h"
#include "tus-metadata.h"

#define PATCHES_MAX 5 /* in one attempt */
/* A server may not know the offset for a while after it was cut off. */
#define HEADS_MAX 6

struct tus {
	struct http *http;
	struct push *push;
	struct endpoint *upload;
	struct curl_slist *headers; /* of every request: Tus-Resumable */
	uint64_t offset;	    /* what the server has, by its own word that we took */
};

static int add_creation_headers(const struct push *p, struct curl_slist **list)
{
	cleanup_free char *metadata = NULL;
	char length[24];

	snprintf(length, sizeof(length), "%" PRIu64, p->source->size);
	if (tus_metadata_make(p->id, p->source, &metadata) < 0 ||
	    http_add_header(list, "Upload-Length", length) < 0)
		return -ENOMEM;
	return http_add_header(list, "Upload-Metadata", metadata);
}

/* --- how far it is --- */

static int fail_lying(struct tus *t, const char *what)
{
	free(t->push->report.resume);
	t->push->report.resume = NULL; /* nothing that it says can be built on */
	return push_fail(t->push, EX_PROTOCOL, "%s: %s", t->upload->shown, what);
}

/* Takes the server's word of what it has: at least what it had before, at most `most`. */
static int take_offset(struct tus *t, const struct http_number *number, uint64_t most)
{
	struct push *p = t->push;

	if (number->state != HTTP_NUMBER_GOOD)
		return fail_lying(t, "the server's Upload-Offset is not a number");
	if (number->value > p->source->size)
		return fail_lying(t, "the server's Upload-Offset is beyond the upload's end");
	if (number->value < t->offset)
		return fail_lying(t, "the server's Upload-Offset went backwards");
	if (number->value > most)
		return fail_lying(t, "the server's Upload-Offset is beyond what it was sent");
	t->offset = number->value;
	p->report.offset = t->offset;
	free(p->report.resume);
	p->report.resume = push_http_make_resume(PUSH_HTTP_TUS, t->offset, t->upload);
	return EX_OK;
}

static void wait_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/*
 * Asks how much the server has, at most `most`.  EX_OK: t->offset is it; TUS_GONE: it has no such
 * upload; else that was told.
 */
static int ask_offset(struct tus *t, uint64_t most)
{
	struct http_request request = { .method = "HEAD", .to = t->upload };
	struct http_answer answer;

	for (int i = 0; i < HEADS_MAX; i++) {
		if (i > 0)
			wait_ms(i < 3 ? 250L * i : 1000);
		int status = http_ask(t->http, "HEAD", t->upload, t->headers, &answer);
		if (status != EX_OK)
			return status;
		if (answer.status == 403 || answer.status == 404 || answer.status == 410)
			return TUS_GONE;
		status = http_judge(t->http, &request, CURLE_OK, &answer);
		if (status != EX_OK)
			return status;
		if (answer.upload_length.state == HTTP_NUMBER_GOOD &&
		    answer.upload_length.value != t->push->source->size)
			return TUS_GONE; /* an upload of something else */
		if (answer.upload_offset.state != HTTP_NUMBER_MISSING)
			return take_offset(t, &answer.upload_offset, most);
	}
	return push_fail(t->push, EX_TEMPFAIL, "HEAD %s: the server does not say how much it has",
			 t->upload->shown);
}

/* --- sending --- */

static int send_elsewhere(struct tus *t, const struct http_answer *answer)
{
	struct endpoint next = { 0 };
	char error[ENDPOINT_ERROR_SIZE];

	if (endpoint_follow(t->upload, answer->location, &next, error) < 0)
		return push_fail(t->push, EX_PROTOCOL, "PATCH %s: %s", t->upload->shown, error);
	endpoint_release(t->upload);
	*t->upload = next;
	free(t->push->report.resume);
	t->push->report.resume = push_http_make_resume(PUSH_HTTP_TUS, t->offset, t->upload);
	return EX_OK;
}

/* The connection broke.  How far did it get?  status: what is to be returned if it is not all. */
static int ask_after_failure(struct tus *t, uint64_t most, int status)
{
	cleanup_free char *why = t->push->report.error;

	t->push->report.error = NULL;
	int asked = ask_offset(t, most);
	if (asked == EX_PROTOCOL)
		return asked;
	/* The first failure is the one to tell of, if it cannot go on from where it is. */
	free(t->push->report.error);
	t->push->report.error = ptr_steal(&why);
	return asked == EX_OK ? EX_OK : status;
}

/* One PATCH from t->offset on.  EX_OK: go on from what t->offset is then; else it is over. */
static int patch(struct tus *t)
{
	struct http_request request = { .method = "PATCH", .to = t->upload, .has_body = true };
	struct curl_slist *headers = NULL;
	struct http_answer answer;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	char offset[24];
	int r;

	snprintf(offset, sizeof(offset), "%" PRIu64, t->offset);
	r = http_add_header(&headers, "Tus-Resumable", "1.0.0");
	if (r == 0)
		r = http_add_header(&headers, "Content-Type", "application/offset+octet-stream");
	if (r == 0)
		r = http_add_header(&headers, "Upload-Offset", offset);
	request.headers = headers;
	if (r == 0)
		code = http_perform(t->http, &request, &answer);
	curl_slist_free_all(headers);
	if (r != 0)
		return push_fail(t->push, EX_OSERR, "out of memory");

	uint64_t most = t->offset + request.sent;
	if (code == CURLE_OK && http_is_redirect(&answer))
		return send_elsewhere(t, &answer);
	if (code == CURLE_OK && (answer.status == 404 || answer.status == 410))
		return TUS_GONE;
	if (code == CURLE_OK && answer.status == 409)
		return ask_offset(t, most); /* it is not where we thought */
	int status = http_judge(t->http, &request, code, &answer);
	if (status == EX_TEMPFAIL && code != CURLE_OK && answer.status < 400)
		return ask_after_failure(t, most, status);
	if (status != EX_OK)
		return status;
	if (answer.upload_offset.state == HTTP_NUMBER_MISSING)
		return ask_offset(t, most);
	status = take_offset(t, &answer.upload_offset, most);
	return status != EX_OK						   ? status
	       : push_http_compare_digest(t->push, t->upload, &answer) > 0 ? EX_PROTOCOL
									   : EX_OK;
}

/* All was taken: does the server say so when it is asked? */
static int finish(struct tus *t)
{
	struct push *p = t->push;
	struct http_request head = { .method = "HEAD", .to = t->upload, .headers = t->headers };
	struct http_answer answer;
	uint32_t answered = p->report.status;

	if (p->report.verified)
		return EX_OK;
	CURLcode code = http_perform(t->http, &head, &answer);
	p->report.status = answered;
	p->report.retry_after_s = 0;
	if (code != CURLE_OK || answer.status < 200 || answer.status >= 300 ||
	    answer.upload_offset.state == HTTP_NUMBER_MISSING)
		return push_http_verified(p, "answer"); /* it has taken it away already */
	int status = take_offset(t, &answer.upload_offset, p->source->size);
	if (status != EX_OK)
		return status;
	status = push_http_compare_digest(p, t->upload, &answer);
	return status < 0 ? push_http_verified(p, "size") : status;
}

static int send_all(struct tus *t)
{
	struct push *p = t->push;

	for (int i = 0; t->offset < p->source->size; i++) {
		int r = source_seek(p->source, t->offset);

		if (r < 0 && r != -ESPIPE)
			return push_fail(p, EX_IOERR, "the core cannot be read: %s",
					 source_strerror(r));
		if (r < 0 || i == PATCHES_MAX)
			return p->report.error ? EX_TEMPFAIL
					       : push_fail(p, EX_TEMPFAIL,
							   "PATCH %s: the server did not take "
							   "all that it was sent",
							   t->upload->shown);
		push_tell(p);
		int status = patch(t);
		if (status == TUS_GONE) {
			push_put_text(&p->report.resume, NULL);
			return push_fail(p, EX_TEMPFAIL, "PATCH %s: the upload is gone",
					 t->upload->shown);
		}
		if (status != EX_OK)
			return status;
	}
	int status = finish(t);
	if (status != EX_OK)
		return status;
	log_info("tus: %s: all %" PRIu64 " bytes are there, %" PRIu64 " of them sent now",
		 t->upload->shown, p->source->size, p->report.sent);
	push_put_text(&p->report.resume, NULL);
	push_put_text(&p->report.error, NULL);
	return EX_OK;
}

static int start(struct tus *t)
{
	if (push_put_text(&t->push->report.protocol, "tus") < 0 ||
	    push_put_text(&t->push->report.url, t->upload->shown) < 0 ||
	    http_add_header(&t->headers, "Tus-Resumable", "1.0.0") < 0)
		return push_fail(t->push, EX_OSERR, "out of memory");
	return EX_OK;
}

/* POST: the server makes an upload, *upload. */
static int create(struct http *http, struct endpoint *base, struct endpoint *ret_upload)
{
	struct push *p = http->push;
	struct http_request request = { .method = "POST", .to = base };
	struct curl_slist *headers = NULL;
	struct http_answer answer;
	char error[ENDPOINT_ERROR_SIZE];

	if (http_add_header(&headers, "Tus-Resumable", "1.0.0") < 0 ||
	    add_creation_headers(p, &headers) < 0) {
		curl_slist_free_all(headers);
		return push_fail(p, EX_OSERR, "out of memory");
	}
	int status = http_ask(http, "POST", base, headers, &answer);
	curl_slist_free_all(headers);
	if (status == EX_OK)
		status = http_judge(http, &request, CURLE_OK, &answer);
	if (status != EX_OK)
		return status;
	if (!*answer.location)
		return push_fail(p, EX_PROTOCOL, "POST %s: the server does not say where to upload",
				 base->shown);
	if (endpoint_follow(base, answer.location, ret_upload, error) < 0)
		return push_fail(p, EX_PROTOCOL, "POST %s: %s", base->shown, error);
	return EX_OK;
}

/* Begins an upload at base, and sends all.  Returns a status of sysexits(3). */
int tus_push_new(struct http *http, struct endpoint *base)
{
	cleanup_endpoint struct endpoint upload = { 0 };
	struct tus t = { .http = http, .push = http->push, .upload = &upload };
	int status = create(http, base, &upload);

	if (status == EX_OK)
		status = start(&t);
	if (status == EX_OK) {
		http->push->report.resume = push_http_make_resume(PUSH_HTTP_TUS, 0, &upload);
		status = send_all(&t);
	}
	curl_slist_free_all(t.headers);
	return status;
}

/*
 * Goes on with an upload, of which the server has said before that it has `offset` bytes.  Returns
 * a status of sysexits(3), or TUS_GONE.
 */
int tus_push_on(struct http *http, struct endpoint *upload, uint64_t offset)
{
	struct push *p = http->push;
	struct tus t = { .http = http, .push = p, .upload = upload, .offset = offset };
	int status;

	if (offset > p->source->size)
		return TUS_GONE;
	status = start(&t);
	if (status == EX_OK) {
		p->report.resume = push_http_make_resume(PUSH_HTTP_TUS, offset, upload);
		status = ask_offset(&t, p->source->size);
	}
	if (status == EX_OK)
		status = send_all(&t);
	if (status == TUS_GONE)
		push_put_text(&p->report.resume, NULL);
	curl_slist_free_all(t.headers);
	return status;
}

/* Removes an upload that nobody will go on with, where the server offers that. */
int tus_abandon(struct http *http, struct endpoint *upload)
{
	struct tus t = { .http = http, .push = http->push, .upload = upload };
	struct http_request request = { .method = "DELETE", .to = upload };
	struct http_answer answer;
	int status = start(&t);

	if (status == EX_OK)
		status = http_ask(http, "DELETE", upload, t.headers, &answer);
	curl_slist_free_all(t.headers);
	if (status != EX_OK)
		return status;
	if (answer.status >= 500 || answer.status == 423 || answer.status == 429)
		return http_judge(http, &request, CURLE_OK, &answer);
	if (answer.status < 200 || answer.status >= 300)
		log_info("DELETE %s: the server answered %ld: it keeps it", upload->shown,
			 answer.status);
	return EX_OK;
}
