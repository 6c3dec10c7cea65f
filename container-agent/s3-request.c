// SPDX-License-Identifier: MIT
/*
 * One signed request to an S3 endpoint, by libcurl, which makes the signature (SigV4).
 *
 * The endpoint may be anyone: its answer goes to the parser (s3-answer.c), of its headers only an
 * ETag, a length and Retry-After are looked at; redirects are not followed.  Neither secret nor
 * signature appears in a message: endpoints repeat what was signed in their errors, so of those
 * only code and message are shown.
 */
#include "s3-request.h"

#include <errno.h>
#include <nettle/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "clock.h"
#include "end-signal.h"
#include "fd.h"
#include "http.h"
#include "log.h"
#include "paths.h"

#define UPLOAD_BUFFER	     (64L << 10)
#define UPLOAD_BUFFER_SOURCE (512L << 10)
#define STALL_TIMEOUT_S	     60L /* with not one byte moving */
/* Of one request: waits of 0.25, 0.5, 1 and 2 s.  What takes longer is another attempt's. */
#define TRIES		  5U
#define BACK_OFF_MS	  250ULL
#define RETRY_AFTER_MAX_S 10U

/* What the callbacks of one request share. */
struct exchange {
	struct s3_client *client;
	const struct s3_request *request;
	struct s3_result *result;
	struct s3_parser *parser;
	struct md5_ctx md5;
	size_t body_sent;
	int source_error;
};

static size_t give_body(char *buf, size_t size, size_t count, void *context)
{
	struct exchange *x = context;
	struct push *p = x->client->push;
	size_t len = size * count;

	if (x->request->has_source_body) {
		uint64_t left = x->request->source_len - x->result->source_sent;
		ssize_t n = source_read(p->source, buf, left < len ? left : len);

		if (n < 0) {
			x->source_error = (int)n;
			return CURL_READFUNC_ABORT;
		}
		len = (size_t)n;
		md5_update(&x->md5, len, (const uint8_t *)buf);
		x->result->source_sent += len;
	} else {
		size_t left = x->request->body_len - x->body_sent;

		len = left < len ? left : len;
		memcpy(buf, x->request->body + x->body_sent, len);
		x->body_sent += len;
	}
	p->report.sent += len;
	push_tell_progress(p);
	return len;
}

/* libcurl begins anew on a fresh connection where the one it kept turns out to be closed. */
static int rewind_body(void *context, curl_off_t offset, int origin)
{
	struct exchange *x = context;

	if (x->request->has_source_body || origin != SEEK_SET || offset < 0 ||
	    (uint64_t)offset > x->request->body_len)
		return CURL_SEEKFUNC_CANTSEEK;
	x->body_sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct exchange *x = context;

	/* What is no XML, or too much of it, is not read on; it says nothing. */
	return s3_parser_add(x->parser, data, size * count) == 0 ? size * count : 0;
}

/* Without quotes, and "" for what cannot be one. */
void s3_etag_unquote(const char *text, char etag[S3_ETAG_MAX + 1])
{
	size_t len = strlen(text);

	etag[0] = '\0';
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	if (len > S3_ETAG_MAX)
		return;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f || strchr("\"<>&", text[i]))
			return;
	memcpy(etag, text, len);
	etag[len] = '\0';
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
	static const char name[] = "etag:";
	struct exchange *x = context;
	size_t len = size * count;
	char value[S3_ETAG_MAX + 3];

	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
		x->result->etag[0] = '\0'; /* of "100 Continue" nothing counts */
	if (len < sizeof(name) - 1 || strncasecmp(data, name, sizeof(name) - 1) != 0)
		return len;
	const char *p = data + sizeof(name) - 1, *end = data + len;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && strchr(" \t\r\n", end[-1]))
		end--;
	if ((size_t)(end - p) < sizeof(value)) {
		memcpy(value, p, (size_t)(end - p));
		value[end - p] = '\0';
		s3_etag_unquote(value, x->result->etag);
	}
	return len;
}

static int watch_end(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct exchange *x = context;

	(void)a, (void)b, (void)c, (void)d;
	return x->client->heeds_end && end_signal_came;
}

/* libcurl signs every header that is set here. */
static int make_headers(const struct s3_client *c, const struct s3_request *request,
			struct curl_slist **list)
{
	const char *token = c->settings->credentials.session_token;
	int r = http_add_header(list, "x-amz-content-sha256", request->sha256);

	if (r == 0 && token)
		r = http_add_header(list, "x-amz-security-token", token);
	for (const struct curl_slist *h = request->headers; r == 0 && h; h = h->next) {
		struct curl_slist *longer = curl_slist_append(*list, h->data);

		r = longer ? 0 : -ENOMEM;
		*list = longer ? longer : *list;
	}
	return r;
}

static void set_method(CURL *curl, struct exchange *x)
{
	const struct s3_request *request = x->request;

	if (strcmp(request->method, "PUT") == 0) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
				 (curl_off_t)(request->has_source_body ? request->source_len
								       : request->body_len));
	} else if (strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
	} else if (strcmp(request->method, "HEAD") == 0) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	} else if (strcmp(request->method, "DELETE") == 0) {
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	}
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
	curl_easy_setopt(curl, CURLOPT_READDATA, x);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_body);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
	curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE,
			 request->has_source_body ? UPLOAD_BUFFER_SOURCE : UPLOAD_BUFFER);
}

static void set_options(CURL *curl, struct exchange *x, const char *url, struct curl_slist *headers)
{
	const struct s3_credentials *credentials = &x->client->settings->credentials;

	http_set_bounds(curl);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "coreferry-agent/" COREFERRY_VERSION);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
	http_access_apply(curl, &x->client->access, true);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	/* Signed by libcurl: neither is ever part of a URL or header as it is. */
	curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, x->client->sigv4);
	curl_easy_setopt(curl, CURLOPT_USERNAME, credentials->access_key);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, credentials->secret_key);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch_end);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
	set_method(curl, x);
}

/* What the codes of S3 mean for us.  See: "Error responses" of the Amazon S3 API reference. */
static const struct {
	const char *code;
	enum s3_failure failure;
	int exit_status;
	const char *hint;
} known_codes[] = {
	{ "SlowDown", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "ServiceUnavailable", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "InternalError", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "RequestTimeout", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "OperationAborted", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "BadDigest", S3_AGAIN, EX_TEMPFAIL, NULL }, /* damaged on the way */
	{ "XAmzContentSHA256Mismatch", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "IncompleteBody", S3_AGAIN, EX_TEMPFAIL, NULL },
	{ "NoSuchUpload", S3_NO_UPLOAD, EX_TEMPFAIL, NULL },
	{ "RequestTimeTooSkewed", S3_FINAL, EX_NOPERM,
	  "the clock here and the endpoint's differ by more than 15 minutes" },
	{ "SignatureDoesNotMatch", S3_FINAL, EX_NOPERM, NULL },
	{ "NoSuchBucket", S3_FINAL, EX_CONFIG, NULL },
	{ "PermanentRedirect", S3_FINAL, EX_CONFIG, "the bucket is in another region" },
	{ "AuthorizationHeaderMalformed", S3_FINAL, EX_CONFIG, "is the region right?" },
};

static void judge_status(struct s3_result *result)
{
	if (result->status == 401 || result->status == 403) {
		result->failure = S3_FINAL;
		result->exit_status = EX_NOPERM;
	} else if (result->status >= 500 || result->status == 408 || result->status == 425 ||
		   result->status == 429) {
		result->failure = S3_AGAIN;
		result->exit_status = EX_TEMPFAIL;
	} else if (result->status >= 300 && result->status < 400) {
		result->failure = S3_FINAL;
		result->exit_status = EX_CONFIG;
	} else {
		result->failure = S3_FINAL;
		result->exit_status = EX_PROTOCOL;
	}
}

static void judge_answer(const struct s3_client *c, const struct s3_request *request,
			 struct s3_result *result)
{
	const char *code = result->answer.code, *hint = NULL;
	bool is_error = strcmp(result->answer.root, "Error") == 0;

	result->exit_status = EX_OK;
	/* A long CompleteMultipartUpload answers 200 first, and then that it went wrong. */
	if (result->status >= 200 && result->status < 300 && !is_error) {
		result->failure = S3_OK;
		return;
	}
	judge_status(result);
	for (size_t i = 0; is_error && i < sizeof(known_codes) / sizeof(*known_codes); i++)
		if (strcmp(code, known_codes[i].code) == 0) {
			result->failure = known_codes[i].failure;
			result->exit_status = known_codes[i].exit_status;
			hint = known_codes[i].hint;
		}
	if (request->method[0] == 'H' && result->status == 404)
		hint = "there is no such object";
	snprintf(result->error, sizeof(result->error),
		 "S3 %s %.120s: the endpoint answered %u%s%s%s%.200s%s%s%s", request->method,
		 c->url, result->status, *code ? " " : "", code,
		 *result->answer.message ? ": " : "", result->answer.message, hint ? " (" : "",
		 hint ? hint : "", hint ? ")" : "");
}

static void judge_failure(const struct exchange *x, CURLcode code, const char *error)
{
	struct s3_result *result = x->result;
	const char *why = *error ? error : curl_easy_strerror(code);

	result->failure = S3_FINAL;
	result->exit_status = http_exit_code_of_error(code);
	if (x->source_error != 0) {
		result->exit_status = EX_IOERR;
		snprintf(result->error, sizeof(result->error), "the core cannot be read: %s",
			 source_strerror(x->source_error));
		return;
	}
	if (code == CURLE_ABORTED_BY_CALLBACK) {
		result->exit_status = EX_TEMPFAIL;
		why = "it was to end";
	} else if (code == CURLE_WRITE_ERROR) {
		result->exit_status = EX_PROTOCOL;
		why = "the endpoint's answer is not S3's";
	} else if (result->exit_status == EX_TEMPFAIL) {
		result->failure = S3_AGAIN;
	}
	snprintf(result->error, sizeof(result->error), "S3 %s %.120s: %.200s", x->request->method,
		 x->client->url, why);
}

static void judge(struct exchange *x, CURLcode code, const char *error)
{
	struct s3_result *result = x->result;
	long status = 0;
	curl_off_t retry_after = 0, length = 0;

	curl_easy_getinfo(x->client->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(x->client->curl, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(x->client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	result->status = (uint32_t)status;
	result->retry_after_s = (uint32_t)retry_after;
	result->length = length > 0 ? (uint64_t)length : 0;
	x->client->push->report.status = result->status;
	x->client->push->report.retry_after_s = result->retry_after_s;
	/* An error that came before the body was sent out says more than the connection's end. */
	bool is_refused = status >= 300 && x->source_error == 0 &&
			  code != CURLE_ABORTED_BY_CALLBACK && code != CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK || is_refused) {
		if (s3_parser_finish(x->parser) < 0 && status < 300 && *result->answer.root)
			judge_failure(x, CURLE_WRITE_ERROR, "");
		else
			judge_answer(x->client, x->request, result);
	} else {
		judge_failure(x, code, error);
	}
}

static char *make_url(const struct s3_client *c, const char *query)
{
	char *url = NULL;

	return asprintf(&url, "%s%s%s", c->url, query ? "?" : "", query ? query : "") < 0 ? NULL
											  : url;
}

/* Does it.  What became of it stands in *result, whatever happens. */
void s3_request_run(struct s3_client *client, const struct s3_request *request,
		    struct s3_result *result)
{
	struct exchange x = { .client = client, .request = request, .result = result };
	struct curl_slist *headers = NULL;
	char error[CURL_ERROR_SIZE] = "";
	uint8_t md5[MD5_DIGEST_SIZE];

	*result = (struct s3_result){ .failure = S3_FINAL, .exit_status = EX_OSERR };
	snprintf(result->error, sizeof(result->error), "out of memory");
	cleanup_free char *url = make_url(client, request->query);
	x.parser = s3_parser_new(&result->answer, request->on_part, request->part_context);
	md5_init(&x.md5);
	curl_easy_reset(client->curl); /* the connection stays */
	if (url && x.parser && make_headers(client, request, &headers) == 0) {
		set_options(client->curl, &x, url, headers);
		curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, error);
		if (request->body && strcmp(request->method, "POST") == 0)
			curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, request->body);
		judge(&x, curl_easy_perform(client->curl), error);
		curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
	}
	md5_digest(&x.md5, sizeof(md5), md5);
	for (size_t i = 0; i < sizeof(md5); i++)
		snprintf(result->md5 + 2 * i, 3, "%02x", md5[i]);
	s3_parser_free(x.parser);
	curl_slist_free_all(headers);
}

/* Half of it is certain, half is chance: who failed together does not come back together. */
static uint64_t back_off_ms(unsigned tries)
{
	uint64_t ms = BACK_OFF_MS << tries;

	return ms / 2 + (clock_monotonic_us() * 2654435761U >> 7) % (ms / 2 + 1);
}

/*
 * The same, and again where that may help, for a bounded time: only for what has its body in
 * memory.  The end signal ends the waiting, too.
 */
void s3_request_retry(struct s3_client *client, const struct s3_request *request,
		      struct s3_result *result)
{
	for (unsigned tries = 0;; tries++) {
		uint64_t wait_ms = back_off_ms(tries);

		s3_request_run(client, request, result);
		if (result->failure != S3_AGAIN || tries + 1 == TRIES ||
		    result->retry_after_s > RETRY_AFTER_MAX_S)
			return;
		if (result->retry_after_s > 0)
			wait_ms += 1000ULL * result->retry_after_s;
		log_info("%s; again in %llu ms", result->error, (unsigned long long)wait_ms);
		if (client->heeds_end && !end_signal_wait(wait_ms))
			return;
	}
}

/*
 * For requests to the object called name.  EX_OK, or a status of sysexits(3) after push_fail();
 * s3_client_close() it in any case.
 */
int s3_client_open(struct s3_client *client, struct push *push, const struct s3_settings *settings,
		   const struct s3_name *name)
{
	*client = (struct s3_client){ .push = push, .settings = settings };
	snprintf(client->sigv4, sizeof(client->sigv4), "aws:amz:%s:s3", settings->region);
	client->url = s3_url_make(settings->endpoint, name, settings->is_virtual);
	client->curl = client->url ? curl_easy_init() : NULL;
	if (!client->curl || push_put_text(&push->report.url, client->url) < 0)
		return push_fail(push, EX_OSERR, "out of memory");
	return http_access_load(push, &client->access);
}

/* Frees what it has, and closes connections. */
void s3_client_close(struct s3_client *client)
{
	curl_easy_cleanup(client->curl);
	http_access_release(&client->access);
	free(client->url);
	*client = (struct s3_client){ 0 };
}
