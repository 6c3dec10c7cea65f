// SPDX-License-Identifier: MIT
/*
 * One PUT of the core, with the headers that tell what it is, and a look at whether it arrived.
 *
 * The values of the headers are the victim's: they are encoded.  A server's word that it has the
 * core is held against what it says of it: a digest, or the size.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core-headers.h"
#include "digest.h"
#include "fd.h"
#include "http.h"
#include "log.h"
#include "push-http.h"
#include "text.h"

#define REDIRECTS_MAX 5

/* What CORE_* says, as the headers that a pull would have (core-headers.h). */
static int add_core_headers(struct curl_slist **list)
{
	for (int i = 0; i < CORE_HEADER_COUNT; i++) {
		const char *value = getenv(core_headers[i].variable);

		if (!value || !*value)
			continue;
		cleanup_free char *encoded = text_percent_encode(value, strlen(value));
		if (!encoded || http_add_header(list, core_headers[i].name, encoded) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int make_headers(const struct source *source, struct curl_slist **list)
{
	char digest[DIGEST_HEADER_SIZE];
	int r = http_add_header(list, "Content-Type", source->content_type);

	if (r == 0)
		r = add_core_headers(list);
	if (r == 0 && *source->sha256 && digest_hex_to_header(source->sha256, digest) == 0)
		r = http_add_header(list, CORE_HEADER_REPR_DIGEST, digest);
	if (r == 0) /* RFC 9530: we would like to be told its digest */
		r = http_add_header(list, "Want-Repr-Digest", "sha-256=10");
	return r;
}

/*
 * The server says that it has the core.  What does it have?  Its Repr-Digest tells, or a HEAD: its
 * Repr-Digest, or its Content-Length.  A server that knows no HEAD of that is believed.
 */
static int verify(struct http *h, const struct endpoint *to, struct http_answer *a)
{
	struct push *p = h->push;
	struct http_request head = { .method = "HEAD", .to = to };
	/* The digest of a message like "created" says nothing (RFC 9530, B.5). */
	int status = http_answer_is_of_body(a) ? -1 : push_http_compare_digest(p, to, a);

	if (status >= 0)
		return status;
	long answered = p->report.status;
	CURLcode code = http_perform(h, &head, a);
	bool is_there = code == CURLE_OK && a->status == 200;

	p->report.status = (uint32_t)answered; /* of what counts */
	p->report.retry_after_s = 0;
	status = is_there ? push_http_compare_digest(p, to, a) : -1;
	if (status >= 0)
		return status;
	if (!is_there || a->is_encoded || a->content_length.state != HTTP_NUMBER_GOOD)
		return push_http_verified(p, "answer");
	if (a->content_length.value == p->report.offset)
		return push_http_verified(p, "size");
	return push_fail(p, EX_PROTOCOL,
			 "%s: not delivered: the server has %llu bytes, and was sent %llu",
			 to->shown, (unsigned long long)a->content_length.value,
			 (unsigned long long)p->report.offset);
}

/*
 * The server sends us elsewhere.  EX_OK: *to is there, and nothing is lost for another request;
 * else where it is was told for the next attempt, or why it is not gone to.
 */
static int redirect(struct http *h, struct endpoint *to, const struct http_answer *a)
{
	struct push *p = h->push;
	struct endpoint next = { 0 };
	char error[ENDPOINT_ERROR_SIZE];

	if (endpoint_follow(to, a->location, &next, error) < 0)
		return push_fail(p, EX_PROTOCOL, "PUT %s: %s", to->shown, error);
	endpoint_release(to);
	*to = next;
	if (source_seek(p->source, 0) == 0)
		return EX_OK;
	free(p->report.resume);
	p->report.resume = push_http_make_resume(PUSH_HTTP_PUT, 0, to);
	return push_fail(p, EX_TEMPFAIL, "PUT: redirected to %s after some of it had been sent",
			 to->shown);
}

static int put_with(struct http *h, struct endpoint *to, const struct curl_slist *headers)
{
	struct push *p = h->push;
	struct http_answer answer;

	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		struct http_request request = { .method = "PUT",
						.to = to,
						.headers = headers,
						.has_body = true,
						.asks_first = true };
		if (push_put_text(&p->report.url, to->shown) < 0)
			return push_fail(p, EX_OSERR, "out of memory");
		push_tell(p);
		CURLcode code = http_perform(h, &request, &answer);
		if (http_is_redirect(&answer)) {
			int status = redirect(h, to, &answer);

			if (status != EX_OK)
				return status;
			continue;
		}
		int status = http_judge(h, &request, code, &answer);
		if (status != EX_OK)
			return status;
		if (answer.status >= 200 && p->source->has_size &&
		    p->source->position < p->source->size)
			return push_fail(p, EX_PROTOCOL,
					 "PUT %s: not delivered: the server answered %ld before it "
					 "had the core",
					 to->shown, answer.status);
		log_info("PUT %s: %llu bytes: %ld", to->shown, (unsigned long long)request.sent,
			 answer.status);
		p->report.offset = request.sent;
		return verify(h, to, &answer);
	}
	return push_fail(p, EX_PROTOCOL, "PUT %s: more than %d redirects, one after the other",
			 to->shown, REDIRECTS_MAX);
}

/*
 * Puts the core there, and follows redirects as long as nothing of it has been sent; *to is then
 * where they led.  Returns a status of sysexits(3).
 */
int put_push_to(struct http *http, struct endpoint *to)
{
	struct push *p = http->push;
	struct curl_slist *headers = NULL;
	int status;

	if (push_put_text(&p->report.protocol, "put") < 0 || make_headers(p->source, &headers) < 0)
		status = push_fail(p, EX_OSERR, "out of memory");
	else
		status = put_with(http, to, headers);
	curl_slist_free_all(headers);
	return status;
}

/* The same below base, as ID.core.zst or ID.core. */
int put_push(struct http *http, const struct endpoint *base)
{
	struct push *p = http->push;
	cleanup_endpoint struct endpoint to = { 0 };
	cleanup_free char *name = NULL;

	if (asprintf(&name, "%s%s", p->id, p->source->suffix) < 0)
		name = NULL;
	if (!name || endpoint_below(base, name, &to) < 0)
		return push_fail(p, EX_OSERR, "out of memory");
	return put_push_to(http, &to);
}
