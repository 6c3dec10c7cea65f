// SPDX-License-Identifier: MIT
/*
 * The core as an object in S3: at once up to 64 MiB, in parts (push-s3-parts.c) above.
 *
 * URL, settings and credentials are the victim's or the container's; the endpoint is where they
 * lead to.  What stands in the environment of the crash becomes a segment of the key, or metadata,
 * percent-encoded.
 */
#include "push-s3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core-headers.h"
#include "fd.h"
#include "log.h"
#include "s3-resume.h"
#include "s3-upload.h"
#include "text.h"

#define ONE_PUT_MAX	   (64ULL << 20)
#define METADATA_MAX	   1800U /* bytes: S3 takes 2 KB of names and values in all */
#define METADATA_VALUE_MAX 512U

static int add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* What CORE_* says: X-Core-Id becomes x-amz-meta-core-id.  What is too long is left out. */
static int add_metadata(struct curl_slist **list)
{
	size_t total = 0;

	for (int i = 0; i < CORE_HEADER_COUNT; i++) {
		const char *value = getenv(core_headers[i].variable);
		cleanup_free char *encoded = NULL;
		cleanup_free char *line = NULL;

		if (!value || !*value)
			continue;
		encoded = text_percent_encode(value, strlen(value));
		if (!encoded || asprintf(&line, "x-amz-meta-%s: %s",
					 core_headers[i].name + strlen("X-"), encoded) < 0)
			return -ENOMEM;
		if (strlen(encoded) > METADATA_VALUE_MAX || total + strlen(line) > METADATA_MAX)
			continue;
		total += strlen(line);
		for (char *p = line; *p != ':'; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
		if (add_line(list, line) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int make_metadata(struct s3_push *s3)
{
	char type[64];

	snprintf(type, sizeof(type), "content-type: %s", s3->push->source->content_type);
	int r = add_line(&s3->metadata, type);
	return r == 0 ? add_metadata(&s3->metadata) : r;
}

/* The end of an attempt by what a request ended with: its exit status. */
int push_s3_fail(struct s3_push *s3, const struct s3_result *result)
{
	return push_fail(s3->push, result->exit_status, "%s", result->error);
}

/* 32 hexadecimal digits, perhaps "-" and a number: then it is made of MD5s as ours. */
static bool is_made_of_md5(const char *etag)
{
	size_t len = strspn(etag, "0123456789abcdef");

	return len == 32 && (etag[len] == '\0' || etag[len] == '-');
}

/*
 * The endpoint has taken it all, as it says: does it have what we sent?  etag: what it said, "":
 * nothing; expected_etag: what that is where it is made of MD5s.  Returns the exit status.
 */
int push_s3_done(struct s3_push *s3, const char *etag, const char *expected_etag)
{
	struct push *p = s3->push;
	const struct s3_request head = { .method = "HEAD", .sha256 = S3_UNSIGNED };
	struct s3_result result;
	uint64_t size = p->source->position;

	s3_request_retry(&s3->client, &head, &result);
	/* Who may only write is not told (403).  Then its word stands. */
	bool is_told = result.failure == S3_OK;
	if (!is_told && result.status != 403)
		return push_fail(p, EX_TEMPFAIL, "%s", result.error);
	if (is_told && *result.etag)
		etag = result.etag;
	bool is_same = strcmp(etag, expected_etag) == 0;
	if (is_told && result.length != size)
		return push_fail(p, EX_TEMPFAIL,
				 "%s: the endpoint has %llu bytes of it, and %llu were sent",
				 s3->client.url, (unsigned long long)result.length,
				 (unsigned long long)size);
	if (!is_same && is_made_of_md5(etag))
		return push_fail(p, EX_TEMPFAIL, "%s: the endpoint has other bytes than were sent",
				 s3->client.url);
	p->report.offset = size;
	p->report.status = 200;
	log_info("S3 %s: %llu bytes: stored", s3->client.url, (unsigned long long)size);
	return push_put_text(&p->report.verified, is_same   ? "digest"
						  : is_told ? "size"
							    : "answer") < 0
		       ? EX_OSERR
		       : EX_OK;
}

static int put_at_once(struct s3_push *s3)
{
	struct push *p = s3->push;
	const struct s3_request request = {
		.method = "PUT",
		.has_source_body = true,
		.source_len = p->source->size,
		/* The endpoint then checks that it has got just that. */
		.sha256 = *p->source->sha256 ? p->source->sha256 : S3_UNSIGNED,
		.headers = s3->metadata,
	};
	struct s3_result result;
	char more;

	push_tell(p);
	s3_request_run(&s3->client, &request, &result);
	if (result.failure != S3_OK)
		return push_s3_fail(s3, &result);
	ssize_t n = source_read(p->source, &more, 1);
	if (n < 0)
		return push_fail(p, EX_IOERR, "the core cannot be read: %s",
				 source_strerror((int)n));
	return push_s3_done(s3, result.etag, result.md5);
}

static int push_opened(struct s3_push *s3)
{
	struct push *p = s3->push;

	if (p->abandon)
		return s3_upload_abandon(s3);
	if (make_metadata(s3) < 0)
		return push_fail(p, EX_OSERR, "out of memory");
	if (p->source->has_size && p->source->size <= ONE_PUT_MAX)
		return put_at_once(s3);
	return push_s3_parts(s3);
}

/* The suffix as it will be, or, where something is only to be removed, as it was. */
static const char *find_suffix(const struct push *p)
{
	struct s3_resume resume;

	if (p->source)
		return p->source->suffix;
	return p->resume && s3_resume_parse(p->resume, &resume) == 0 && !resume.is_raw ? ".core.zst"
										       : ".core";
}

static int open_name(struct s3_push *s3, char error[S3_ERROR_SIZE])
{
	struct push *p = s3->push;
	const struct s3_values values = {
		.id = p->id,
		.exe = getenv("CORE_EXE"),
		.container = getenv("CORE_CONTAINER"),
		.host = getenv("CORE_HOSTNAME"),
		.suffix = find_suffix(p),
	};
	const char *template = p->settings->s3_key;

	snprintf(error, S3_ERROR_SIZE, "out of memory");
	int r = s3_name_make(p->url, template ? template : S3_KEY_DEFAULT, &values, &s3->name,
			     error);
	if (r == 0)
		r = s3_settings_load(p->settings, s3->name.bucket, &s3->settings, error);
	return r;
}

/* Uploads to s3://BUCKET/PREFIX.  Returns a status of sysexits(3). */
int push_s3(struct push *push)
{
	struct s3_push s3 = { .push = push };
	char error[S3_ERROR_SIZE];
	int status;

	if (push_put_text(&push->report.protocol, "s3") < 0)
		return push_fail(push, EX_OSERR, "out of memory");
	int r = open_name(&s3, error);
	if (r < 0)
		status = push_fail(push, r == -ENOMEM ? EX_OSERR : EX_CONFIG, "%s", error);
	else
		status = s3_client_open(&s3.client, push, &s3.settings, &s3.name);
	if (status == EX_OK)
		status = push_opened(&s3);
	s3_client_close(&s3.client);
	curl_slist_free_all(s3.metadata);
	s3_name_release(&s3.name);
	s3_settings_release(&s3.settings);
	return status;
}
