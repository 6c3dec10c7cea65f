// SPDX-License-Identifier: MIT
/*
 * Requests to an endpoint.
 *
 * The server and its answers may be the attacker's.  Answers are read to a bound, and not
 * compressed; redirects are followed here and not by libcurl, so that each is looked at;
 * certificates are verified; there is no other scheme than http and https.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "fd.h"
#include "log.h"
#include "paths.h"

#define UPLOAD_BUFFER	    (256L << 10)
#define CONNECT_TIMEOUT_S   10L
#define STALL_TIMEOUT_S	    60L	 /* with not one byte moving */
#define ANSWER_TIMEOUT_S    60L	 /* for a request without a body */
#define CONTINUE_TIMEOUT_MS 500L /* for servers that never say "continue" */
#define REDIRECTS_MAX	    5

struct exchange {
	struct push *push;
	struct http_request *request;
	struct http_answer *answer;
	bool is_too_long, cannot_read;
};

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
	struct exchange *e = context;

	if (http_answer_take_header(e->answer, line, size * count))
		return size * count;
	e->is_too_long = true;
	return 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct exchange *e = context;

	if (http_answer_take_body(e->answer, data, size * count))
		return size * count;
	e->is_too_long = true;
	return 0;
}

static size_t give_body(char *buf, size_t size, size_t count, void *context)
{
	struct exchange *e = context;
	ssize_t n = source_read(e->push->source, buf, size * count);

	if (n < 0) {
		push_fail(e->push, EX_IOERR, "the core cannot be read: %s",
			  source_strerror((int)n));
		e->cannot_read = true;
		return CURL_READFUNC_ABORT;
	}
	e->request->sent += (uint64_t)n;
	e->push->report.sent += (uint64_t)n;
	push_tell_progress(e->push);
	return (size_t)n;
}

/*
 * The body once more, over another connection: the first one had been closed meanwhile.  Not when
 * something of it was sent: how far that got is for the server to say.
 */
static int seek_body(void *context, curl_off_t offset, int origin)
{
	struct exchange *e = context;

	return origin == SEEK_SET && offset == 0 && e->request->sent == 0 ? CURL_SEEKFUNC_OK
									  : CURL_SEEKFUNC_FAIL;
}

/* Adds "NAME: VALUE" (an empty value: libcurl's own header is left out).  0 or -ENOMEM. */
int http_add_header(struct curl_slist **list, const char *name, const char *value)
{
	cleanup_free char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* The caller's headers, and those of every request; free the list. */
static int make_headers(const struct http *h, const struct http_request *request, bool is_home,
			struct curl_slist **list)
{
	int r = 0;

	for (const struct curl_slist *l = request->headers; l && r == 0; l = l->next) {
		struct curl_slist *longer = curl_slist_append(*list, l->data);

		r = longer ? 0 : -ENOMEM;
		*list = longer ? longer : *list;
	}
	if (r == 0)
		r = http_add_header(list, "Expect", request->asks_first ? "100-continue" : "");
	if (r == 0 && !request->has_body)
		r = http_add_header(list, "Content-Type", "");
	if (r == 0 && is_home && h->access.authorization)
		r = http_add_header(list, "Authorization", h->access.authorization);
	return r;
}

static void set_method(CURL *curl, const struct http_request *request, const struct source *source)
{
	if (request->has_body) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		if (source->has_size)
			curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
					 (curl_off_t)(source->size - source->position));
		curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
	} else {
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_TIMEOUT_S);
		if (strcmp(request->method, "HEAD") == 0)
			curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
		else if (strcmp(request->method, "POST") == 0)
			curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_callbacks(CURL *curl, struct exchange *e)
{
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
	curl_easy_setopt(curl, CURLOPT_READDATA, e);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, e);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, e);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, e);
}

/* What holds for every request of the agent, whoever makes it. */
void http_set_bounds(CURL *curl)
{
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, CONTINUE_TIMEOUT_MS);
	/* What a proxy says is not the server's answer, and it needs to know nothing of a core. */
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	/* No GSSAPI, NTLM and the like: GSSAPI loads the plugins that files in the container name.
	 */
	curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

static void set_server(CURL *curl, const struct http *h, const struct endpoint *to, bool is_home)
{
	curl_easy_setopt(curl, CURLOPT_URL, to->url);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "coreferry-agent/" COREFERRY_VERSION);
	http_access_apply(curl, &h->access, is_home);
	if (to->unix_socket) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, to->unix_socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	if (to->user && is_home) {
		curl_easy_setopt(curl, CURLOPT_USERNAME, to->user);
		curl_easy_setopt(curl, CURLOPT_PASSWORD, to->password ? to->password : "");
	}
}

/*
 * Makes one request, and follows no redirect.  *answer is filled in as far as one came; when all of
 * it that counts has come, and only its body is longer than anybody wants to know, that is
 * CURLE_OK.
 */
CURLcode http_perform(struct http *http, struct http_request *request, struct http_answer *answer)
{
	struct push *p = http->push;
	struct exchange e = { .push = p, .request = request, .answer = answer };
	bool is_home = endpoint_is_same_server(request->to, &http->home);
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	http_answer_init(answer);
	request->sent = 0;
	http->error[0] = '\0';
	curl_easy_reset(http->curl); /* connections stay */
	if (make_headers(http, request, is_home, &headers) == 0) {
		http_set_bounds(http->curl);
		set_callbacks(http->curl, &e);
		set_server(http->curl, http, request->to, is_home);
		set_method(http->curl, request, p->source);
		curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->error);
		code = curl_easy_perform(http->curl);
	}
	curl_slist_free_all(headers);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_off_t retry_after = 0;
	curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &retry_after);
	p->report.status =
		answer->status > 0 && answer->status < 1000 ? (uint32_t)answer->status : 0;
	p->report.retry_after_s =
		retry_after > 0 && retry_after < INT32_MAX ? (uint32_t)retry_after : 0;
	if (e.is_too_long && answer->body_bytes > 0)
		return CURLE_OK;
	/* libcurl takes no line of more than 100 KiB, and has no other word for that. */
	if (code == CURLE_OUT_OF_MEMORY && answer->header_bytes > 0) {
		e.is_too_long = true;
		code = CURLE_WRITE_ERROR;
	}
	if (e.is_too_long)
		snprintf(http->error, sizeof(http->error),
			 "the headers of the answer are too long");
	return e.cannot_read ? CURLE_READ_ERROR : code;
}

/* sysexits(3) of an HTTP status: what is worth another try, and what is not. */
static int exit_code_of_status(const struct push *push, long status)
{
	if (status >= 200 && status < 300)
		return EX_OK;
	if (status == 401 || status == 403 || status == 407)
		return EX_NOPERM;
	/* 409 with Retry-After: an earlier attempt of ours has not been given up by the server yet.
	 * 423: the same of a tus server. */
	if (status == 408 || (status == 409 && push->report.retry_after_s > 0) || status == 423 ||
	    status == 425 || status == 429 || status >= 500)
		return EX_TEMPFAIL;
	return EX_PROTOCOL;
}

/* sysexits(3) of what libcurl says when there is no answer. */
int http_exit_code_of_error(CURLcode code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return EX_CONFIG;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return EX_NOPERM;
	case CURLE_OUT_OF_MEMORY:
		return EX_OSERR;
	case CURLE_READ_ERROR:
		return EX_IOERR;
	case CURLE_WRITE_ERROR:
		return EX_PROTOCOL; /* an answer without end */
	default:
		return EX_TEMPFAIL; /* names, connections, time: may be better later */
	}
}

/*
 * What came of a request: EX_OK for an answer of 2xx; else what it was is told (push_fail()), and
 * the status of sysexits(3) is returned.
 */
int http_judge(struct http *http, const struct http_request *request, CURLcode code,
	       const struct http_answer *answer)
{
	struct push *p = http->push;

	if (code == CURLE_READ_ERROR)
		return EX_IOERR; /* that was told when it happened */
	/* An answer that came while we were sending still says why, though the connection broke. */
	if (code != CURLE_OK && (answer->status < 400 || code == CURLE_OUT_OF_MEMORY))
		return push_fail(p, http_exit_code_of_error(code), "%s %s: %s", request->method,
				 request->to->shown,
				 *http->error ? http->error : curl_easy_strerror(code));
	int status = exit_code_of_status(p, answer->status);
	if (status == EX_OK)
		return EX_OK;
	return push_fail(p, status, "%s %s: the server answered %ld%s%s", request->method,
			 request->to->shown, answer->status, *answer->text ? ": " : "",
			 answer->text);
}

/* True for an answer that sends the same request elsewhere. */
bool http_is_redirect(const struct http_answer *answer)
{
	return *answer->location && (answer->status == 301 || answer->status == 302 ||
				     answer->status == 307 || answer->status == 308);
}

/*
 * Makes a request without a body, and follows redirects: *to is then where it ended up.  EX_OK:
 * there is an answer, of any status; else that was told, and a status of sysexits(3) is returned.
 */
int http_ask(struct http *http, const char *method, struct endpoint *to,
	     const struct curl_slist *headers, struct http_answer *answer)
{
	char error[ENDPOINT_ERROR_SIZE];

	for (int i = 0;; i++) {
		struct http_request request = { .method = method, .to = to, .headers = headers };
		CURLcode code = http_perform(http, &request, answer);
		struct endpoint next = { 0 };

		if (code != CURLE_OK && answer->status < 400)
			return http_judge(http, &request, code, answer);
		if (!http_is_redirect(answer))
			return EX_OK;
		if (i == REDIRECTS_MAX)
			return push_fail(http->push, EX_PROTOCOL,
					 "%s %s: more than %d redirects, one after the other",
					 method, to->shown, REDIRECTS_MAX);
		if (endpoint_follow(to, answer->location, &next, error) < 0)
			return push_fail(http->push, EX_PROTOCOL, "%s %s: %s", method, to->shown,
					 error);
		endpoint_release(to);
		*to = next;
	}
}

/* What agent.conf says of itself is for the server that it names, if it names one. */
static bool are_credentials_for(const struct settings *s, const struct endpoint *home)
{
	cleanup_endpoint struct endpoint named = { 0 };
	char error[ENDPOINT_ERROR_SIZE];

	if (!s->configured_url || !*s->configured_url)
		return true;
	return endpoint_parse(s->configured_url, false, &named, error) == 0 &&
	       endpoint_is_same_server(&named, home);
}

/*
 * Prepares for requests to the server that url names.  EX_OK, and http_close() is the caller's to
 * call; else that was told, and a status of sysexits(3) is returned.
 */
int http_open(struct push *push, const char *url, struct http *http)
{
	const struct settings *s = push->settings;
	char error[ENDPOINT_ERROR_SIZE];
	struct http h = { .push = push };
	int status = EX_OSERR;

	if (endpoint_parse(url, false, &h.home, error) < 0)
		return push_fail(push, EX_CONFIG, "%s", error);
	h.curl = curl_easy_init();
	if (!h.curl)
		push_fail(push, EX_OSERR, "out of memory");
	else
		status = http_access_load(push, &h.access);
	if (status != EX_OK) {
		http_close(&h);
		return status;
	}
	if (!are_credentials_for(s, &h.home) &&
	    (s->authorization_file || s->client_cert || s->client_key)) {
		log_info("the credentials in agent.conf are for its own url: they are not used");
		http_access_drop_credentials(&h.access);
	}
	*http = h;
	return EX_OK;
}

/* Frees what it has, and closes connections. */
void http_close(struct http *http)
{
	curl_easy_cleanup(http->curl);
	http_access_release(&http->access);
	endpoint_release(&http->home);
	http->curl = NULL;
}
