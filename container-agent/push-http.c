// SPDX-License-Identifier: MIT
/*
 * Pushing over HTTP: by tus 1.0.0 where the endpoint offers that, else by one PUT.
 *
 * report.resume, which is CORE_RESUME of the next attempt, is "tus:OFFSET:URL" (an upload, and how
 * much the server said that it has) or "put:URL" (where a redirect led).  It comes back through the
 * helper, but whoever chose it first was the server: it is looked at as any Location is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "fd.h"
#include "http.h"
#include "log.h"
#include "push-http.h"

/* Notes how the endpoint's word was checked.  EX_OK, or a status after push_fail(). */
int push_http_verified(struct push *push, const char *how)
{
	if (push_put_text(&push->report.verified, how) < 0)
		return push_fail(push, EX_OSERR, "out of memory");
	return EX_OK;
}

/*
 * Holds the digest that the server tells against ours.  EX_OK: it is the same, which is noted;
 * EX_PROTOCOL, after push_fail(): it is another; -1: there is nothing to compare.
 */
int push_http_compare_digest(struct push *push, const struct endpoint *to,
			     const struct http_answer *answer)
{
	if (!*answer->repr_digest || !*push->source->sha256)
		return -1;
	if (strcmp(answer->repr_digest, push->source->sha256) == 0)
		return push_http_verified(push, "digest");
	push_put_text(&push->report.resume, NULL); /* there is nothing to go on with */
	return push_fail(push, EX_PROTOCOL,
			 "%s: not delivered: the server has something else: its SHA-256 is %s, "
			 "and should be %s",
			 to->shown, answer->repr_digest, push->source->sha256);
}

/* What is worth waiting for, before it is known which way the core shall go. */
static bool is_overloaded(long status)
{
	return status == 408 || status == 425 || status == 429 || status == 502 || status == 503 ||
	       status == 504;
}

/* Asks what the endpoint offers, and pushes. */
static int push_new(struct http *h)
{
	cleanup_endpoint struct endpoint base = { 0 };
	struct http_answer answer;
	char error[ENDPOINT_ERROR_SIZE];

	if (endpoint_parse(h->push->url, false, &base, error) < 0)
		return push_fail(h->push, EX_CONFIG, "%s", error);
	int status = http_ask(h, "OPTIONS", &base, NULL, &answer);
	if (status != EX_OK)
		return status;
	if (is_overloaded(answer.status)) {
		struct http_request request = { .method = "OPTIONS", .to = &base };

		return http_judge(h, &request, CURLE_OK, &answer);
	}
	/* Without a length tus would need an extension; a PUT goes without. */
	if (answer.status >= 200 && answer.status < 300 && answer.is_tus && answer.can_create &&
	    h->push->source->has_size)
		return tus_push_new(h, &base);
	return put_push(h, &base);
}

/* Goes on where the attempt before ended. */
static int push_on(struct http *h, const char *resume)
{
	cleanup_endpoint struct endpoint to = { 0 };
	uint64_t offset = 0;
	enum push_http_resume kind = push_http_parse_resume(resume, &h->home, &offset, &to);

	if (kind == PUSH_HTTP_PUT)
		return put_push_to(h, &to);
	if (kind == PUSH_HTTP_TUS && h->push->source->has_size) {
		int status = tus_push_on(h, &to, offset);

		if (status != TUS_GONE)
			return status;
		log_info("%s: the upload is gone: beginning anew", to.shown);
	} else {
		log_warning("CORE_RESUME is of no push to this endpoint: beginning anew");
	}
	return push_new(h);
}

/* The helper has given up: what is half there is removed where the server can do that. */
static int abandon(struct http *h, const char *resume)
{
	cleanup_endpoint struct endpoint to = { 0 };
	uint64_t offset = 0;

	if (resume && push_http_parse_resume(resume, &h->home, &offset, &to) == PUSH_HTTP_TUS)
		return tus_abandon(h, &to);
	return EX_OK; /* a PUT leaves nothing that could be named */
}

/* Brings the core to an endpoint over HTTP.  Returns a status of sysexits(3). */
int push_http(struct push *push)
{
	struct http h = { 0 };
	int status = http_open(push, push->url, &h);

	if (status != EX_OK)
		return status;
	if (push_put_text(&push->report.url, h.home.shown) < 0)
		status = push_fail(push, EX_OSERR, "out of memory");
	else if (push->abandon)
		status = abandon(&h, push->resume);
	else
		status = push->resume ? push_on(&h, push->resume) : push_new(&h);
	http_close(&h);
	return status;
}
