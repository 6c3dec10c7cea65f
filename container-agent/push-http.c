// SPDX-License-Identifier: MIT
/*
 * One HTTP PUT of what stands on stdin, with the headers that tell what it is.
 *
 * The server, its answers and the values of the headers may be the attacker's: values are encoded,
 * the answer is read to a bound and shown escaped, redirects are not followed, certificates are
 * verified.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core-headers.h"
#include "digest.h"
#include "endpoint.h"
#include "fd.h"
#include "log.h"
#include "paths.h"
#include "push.h"
#include "text.h"

#define ANSWER_MAX	  512 /* bytes of the answer that are kept, for the record */
#define UPLOAD_BUFFER	  (512L << 10)
#define CONNECT_TIMEOUT_S 10L
#define STALL_TIMEOUT_S	  60L /* with not one byte moving */
#define CONTAINER_TRUST	  "/etc/ssl/certs/ca-certificates.crt"

struct answer {
	char text[ANSWER_MAX + 1]; /* its first line */
	size_t len;
};

static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
	struct answer *answer = context;
	size_t len = size * count, room = ANSWER_MAX - answer->len;
	size_t taken = len < room ? len : room;

	memcpy(answer->text + answer->len, data, taken);
	answer->len += taken;
	answer->text[strcspn(answer->text, "\r\n")] = '\0';
	return len;
}

static size_t give_body(char *buf, size_t size, size_t count, void *context)
{
	struct push *p = context;
	ssize_t n = source_read(p->source, buf, size * count);

	if (n < 0) {
		push_fail(p, EX_IOERR, "the core cannot be read: %s", source_strerror((int)n));
		return CURL_READFUNC_ABORT;
	}
	p->report.sent += (uint64_t)n;
	push_tell_progress(p);
	return (size_t)n;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
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

/* What CORE_* says, as the headers that a pull would have (core-headers.h). */
static int add_core_headers(struct curl_slist **list)
{
	for (int i = 0; i < CORE_HEADER_COUNT; i++) {
		const char *value = getenv(core_headers[i].variable);

		if (!value || !*value)
			continue;
		cleanup_free char *encoded = text_percent_encode(value, strlen(value));
		if (!encoded || add_header(list, core_headers[i].name, encoded) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int make_headers(struct push *p, struct curl_slist **list)
{
	char digest[DIGEST_HEADER_SIZE];
	int r = add_header(list, "Content-Type", p->source->content_type);

	/* Not to wait a second for a server that does not say "continue". */
	if (r == 0)
		r = add_header(list, "Expect", "");
	if (r == 0)
		r = add_core_headers(list);
	if (r == 0 && *p->source->sha256 && digest_hex_to_header(p->source->sha256, digest) == 0)
		r = add_header(list, CORE_HEADER_REPR_DIGEST, digest);
	return r;
}

/* The container's own certificates where it has some, else those that the host lends. */
static void set_trust(CURL *curl, struct push *p)
{
	struct curl_blob blob = { .len = p->trust_len, .flags = CURL_BLOB_NOCOPY };

	memcpy(&blob.data, &p->trust, sizeof(blob.data));
	if (access(CONTAINER_TRUST, R_OK) == 0)
		curl_easy_setopt(curl, CURLOPT_CAINFO, CONTAINER_TRUST);
	else if (p->trust)
		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
}

static void set_options(CURL *curl, struct push *p, const char *url, struct curl_slist *headers,
			struct answer *answer, char error[CURL_ERROR_SIZE])
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
	curl_easy_setopt(curl, CURLOPT_READDATA, p);
	if (p->source->has_size)
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)p->source->size);
	curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "coreferry-agent/" COREFERRY_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
	/* No GSSAPI, NTLM and the like: GSSAPI loads the plugins that files in the container name.
	 */
	curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	set_trust(curl, p);
}

/* sysexits(3) of an HTTP status: what is worth another try, and what is not. */
static int exit_code_of_status(long status, curl_off_t retry_after)
{
	if (status >= 200 && status < 300)
		return EX_OK;
	if (status == 401 || status == 403)
		return EX_NOPERM;
	/* 409 with Retry-After: an earlier attempt of ours has not been given up by the server yet.
	 */
	if (status == 408 || (status == 409 && retry_after > 0) || status == 425 || status == 429 ||
	    status >= 500)
		return EX_TEMPFAIL;
	return EX_PROTOCOL;
}

static int exit_code_of_error(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return EX_OK;
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
	default:
		return EX_TEMPFAIL; /* names, connections, time: may be better later */
	}
}

static int judge(CURL *curl, struct push *p, const char *url, CURLcode code, const char *error,
		 const struct answer *answer)
{
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
	p->report.status = (uint32_t)status;
	p->report.retry_after_s = (uint32_t)retry_after;
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return EX_IOERR; /* give_body() has said why */
	if (code != CURLE_OK && (status < 400 || code == CURLE_OUT_OF_MEMORY))
		return push_fail(p, exit_code_of_error(code), "PUT %s: %s", url,
				 *error ? error : curl_easy_strerror(code));
	int exit_code = exit_code_of_status(status, retry_after);
	if (exit_code != EX_OK)
		return push_fail(p, exit_code, "PUT %s: the server answered %ld: %s", url, status,
				 answer->text);
	log_info("PUT %s: %llu bytes: %ld", url, (unsigned long long)p->report.sent, status);
	p->report.offset = p->report.sent;
	return EX_OK;
}

/* Uploads.  Returns a status of sysexits(3). */
int push_http(struct push *p)
{
	struct curl_slist *headers = NULL;
	struct answer answer = { "", 0 };
	char error[CURL_ERROR_SIZE] = "", why[ENDPOINT_ERROR_SIZE];
	cleanup_free char *url = endpoint_make_url(p->url, p->id, p->source->suffix, why);

	if (!url)
		return push_fail(p, EX_CONFIG, "%s", why);
	CURL *curl = curl_easy_init();
	int exit_code = EX_OSERR;
	if (curl && make_headers(p, &headers) == 0) {
		set_options(curl, p, url, headers, &answer, error);
		CURLcode code = curl_easy_perform(curl);

		exit_code = judge(curl, p, url, code, error, &answer);
	} else {
		push_fail(p, EX_OSERR, "out of memory");
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return exit_code;
}
