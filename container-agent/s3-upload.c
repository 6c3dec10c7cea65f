// SPDX-License-Identifier: MIT
/*
 * A multipart upload to S3 as the endpoint has it: begun, asked for, completed, aborted.
 *
 * What the endpoint says of parts is its word, and CORE_RESUME the container's: a part counts if
 * its MD5 is that of what is read here.
 */
#include "s3-upload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "fd.h"
#include "log.h"

/* Ends an MD5: 32 hexadecimal digits. */
void s3_md5_hex(struct md5_ctx *ctx, char hex[MD5_HEX_SIZE])
{
	uint8_t raw[MD5_DIGEST_SIZE];

	md5_digest(ctx, sizeof(raw), raw);
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}

/* The SHA-256 of some bytes, in hexadecimal. */
void s3_sha256_hex(const void *data, size_t len, char hex[DIGEST_HEX_SIZE])
{
	struct sha256_ctx ctx;

	digest_init(&ctx);
	digest_update(&ctx, data, len);
	digest_finish_hex(&ctx, hex);
}

/* The part of that number, 1 to S3_PARTS_MAX; NULL: no memory, or no such number. */
struct s3_upload_part *s3_upload_part(struct s3_upload *u, uint32_t number)
{
	if (number > u->count) {
		uint32_t count = number + 255 < S3_PARTS_MAX ? number + 255 : S3_PARTS_MAX;
		struct s3_upload_part *parts =
			number <= S3_PARTS_MAX ? reallocarray(u->parts, count, sizeof(*parts))
					       : NULL;

		if (!parts)
			return NULL;
		memset(parts + u->count, 0, (count - u->count) * sizeof(*parts));
		u->parts = parts;
		u->count = count;
	}
	return &u->parts[number - 1];
}

/* --- what there is already --- */

static int take_listed(void *context, const struct s3_part *listed)
{
	struct s3_upload *u = context;
	struct s3_upload_part *part = s3_upload_part(u, listed->number);
	char etag[S3_ETAG_MAX + 1];

	if (!part)
		return -ENOMEM;
	s3_etag_unquote(listed->etag, etag);
	if (strlen(etag) == MD5_HEX_SIZE - 1) {
		memcpy(part->md5, etag, sizeof(part->md5));
		part->size = listed->size;
	}
	return 0;
}

static enum s3_failure list_parts(struct s3_upload *u, struct s3_result *result)
{
	uint32_t after = 0;

	for (;;) {
		cleanup_free char *query = NULL;

		if (asprintf(&query, "max-parts=1000&part-number-marker=%u&uploadId=%s", after,
			     u->id) < 0) {
			query = NULL;
			return S3_FINAL;
		}
		const struct s3_request request = {
			.method = "GET",
			.query = query,
			.sha256 = S3_UNSIGNED,
			.on_part = take_listed,
			.part_context = u,
		};
		s3_request_retry(&u->s3->client, &request, result);
		if (result->failure != S3_OK || !result->answer.is_truncated ||
		    result->answer.next_part <= after)
			return result->failure;
		after = result->answer.next_part;
	}
}

/* --- beginning, ending, giving up --- */

static int set_id(struct s3_upload *u)
{
	free(u->id);
	u->id = s3_encode(u->resume.upload_id, false);
	return u->id ? 0 : -ENOMEM;
}

/* From now on the next attempt can go on, and the helper can give up. */
static int tell_resume(struct s3_upload *u)
{
	struct push *p = u->s3->push;
	cleanup_free char *text = s3_resume_format(&u->resume);

	if (!text || push_put_text(&p->report.resume, text) < 0)
		return -ENOMEM;
	push_tell(p);
	return 0;
}

/* Begins one, and tells it.  EX_OK, or a status of sysexits(3) after push_fail(). */
int s3_upload_create(struct s3_upload *u)
{
	struct s3_push *s3 = u->s3;
	char sha256[DIGEST_HEX_SIZE];
	struct s3_result result;

	s3_sha256_hex("", 0, sha256);
	const struct s3_request request = {
		.method = "POST",
		.query = "uploads=",
		.body = "",
		.sha256 = sha256,
		.headers = s3->metadata,
	};
	s3_request_retry(&s3->client, &request, &result);
	if (result.failure != S3_OK)
		return push_s3_fail(s3, &result);
	if (!*result.answer.upload_id)
		return push_fail(s3->push, EX_PROTOCOL, "%s: the endpoint gave no upload id",
				 s3->client.url);
	memcpy(u->resume.upload_id, result.answer.upload_id, sizeof(u->resume.upload_id));
	return set_id(u) < 0 || tell_resume(u) < 0 ? push_fail(s3->push, EX_OSERR, "out of memory")
						   : EX_OK;
}

/*
 * Removes it: parts that are uploaded cost money until someone does.  S3_OK, also if there is none;
 * else it was logged, and *result tells more.
 */
enum s3_failure s3_upload_abort(struct s3_upload *u, struct s3_result *result)
{
	struct s3_push *s3 = u->s3;
	cleanup_free char *query = NULL;

	if (asprintf(&query, "uploadId=%s", u->id) < 0) {
		query = NULL;
		return S3_FINAL;
	}
	const struct s3_request request = {
		.method = "DELETE",
		.query = query,
		.sha256 = S3_UNSIGNED,
	};
	s3->client.heeds_end = false;
	s3_request_retry(&s3->client, &request, result);
	if (result->failure == S3_NO_UPLOAD)
		result->failure = S3_OK;
	if (result->failure == S3_OK)
		(void)push_put_text(&s3->push->report.resume, NULL);
	else
		log_error("an upload was left behind: %s", result->error);
	return result->failure;
}

/*
 * Takes up what the attempt before left, if that is of this object, and asks which parts there are.
 * *ret_found false: there is nothing to go on with.  EX_OK, or a status of sysexits(3) after
 * push_fail().
 */
int s3_upload_resume(struct s3_upload *u, bool *ret_found)
{
	struct push *p = u->s3->push;
	struct s3_resume resume;
	struct s3_result result;

	*ret_found = false;
	if (!p->resume || s3_resume_parse(p->resume, &resume) < 0 ||
	    strcmp(resume.target, u->resume.target) != 0 || resume.is_raw != u->resume.is_raw ||
	    resume.part_bytes != u->resume.part_bytes)
		return EX_OK;
	u->resume = resume;
	if (set_id(u) < 0 || tell_resume(u) < 0)
		return push_fail(p, EX_OSERR, "out of memory");
	enum s3_failure failure = list_parts(u, &result);
	if (failure == S3_OK) {
		*ret_found = true;
		return EX_OK;
	}
	if (failure != S3_NO_UPLOAD)
		return push_s3_fail(u->s3, &result);
	log_info("S3 %s: the upload that was begun is gone: it begins anew", u->s3->client.url);
	(void)push_put_text(&p->report.resume, NULL);
	return EX_OK;
}

/* --- the whole --- */

static char *make_list(const struct s3_upload *u, uint32_t count, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (!f)
		return NULL;
	fputs("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", f);
	for (uint32_t i = 0; i < count; i++)
		fprintf(f, "<Part><PartNumber>%u</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1,
			*u->parts[i].etag ? u->parts[i].etag : u->parts[i].md5);
	fputs("</CompleteMultipartUpload>", f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* What the whole object's tag is where tags are MD5s: that of the parts' MD5s, and their number. */
static void whole_etag(const struct s3_upload *u, uint32_t count, char etag[MD5_HEX_SIZE + 8])
{
	struct md5_ctx md5;
	char hex[MD5_HEX_SIZE];

	md5_init(&md5);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t raw[MD5_DIGEST_SIZE];

		for (size_t k = 0; k < sizeof(raw); k++) {
			const char digits[3] = { u->parts[i].md5[2 * k], u->parts[i].md5[2 * k + 1],
						 '\0' };

			raw[k] = (uint8_t)strtoul(digits, NULL, 16);
		}
		md5_update(&md5, sizeof(raw), raw);
	}
	s3_md5_hex(&md5, hex);
	snprintf(etag, MD5_HEX_SIZE + 8, "%s-%u", hex, count);
}

/*
 * Puts the parts together, 1 to count, and looks whether that is what was sent.  EX_OK, or a status
 * of sysexits(3) after push_fail().
 */
int s3_upload_complete(struct s3_upload *u, uint32_t count)
{
	struct s3_push *s3 = u->s3;
	char sha256[DIGEST_HEX_SIZE], expected[MD5_HEX_SIZE + 8], etag[S3_ETAG_MAX + 1] = "";
	cleanup_free char *query = NULL;
	size_t len = 0;
	cleanup_free char *body = make_list(u, count, &len);
	struct curl_slist *headers = curl_slist_append(NULL, "content-type: application/xml");
	struct s3_result result;

	if (!body || !headers || asprintf(&query, "uploadId=%s", u->id) < 0) {
		query = NULL;
		curl_slist_free_all(headers);
		return push_fail(s3->push, EX_OSERR, "out of memory");
	}
	s3_sha256_hex(body, len, sha256);
	const struct s3_request request = {
		.method = "POST",
		.query = query,
		.body = body,
		.body_len = len,
		.sha256 = sha256,
		.headers = headers,
	};
	s3_request_retry(&s3->client, &request, &result);
	curl_slist_free_all(headers);
	/* Gone: by an earlier try, whose answer was lost.  Then the object is there. */
	if (result.failure != S3_OK && result.failure != S3_NO_UPLOAD)
		return push_s3_fail(s3, &result);
	(void)push_put_text(&s3->push->report.resume, NULL);
	if (result.failure == S3_OK)
		s3_etag_unquote(result.answer.etag, etag);
	whole_etag(u, count, expected);
	return push_s3_done(s3, etag, expected);
}

/* Removes what CORE_RESUME tells of.  Returns a status of sysexits(3). */
int s3_upload_abandon(struct s3_push *s3)
{
	struct push *p = s3->push;
	struct s3_upload u = { .s3 = s3 };
	struct s3_result result;
	char target[sizeof(u.resume.target)];

	s3_resume_target(s3->client.url, target);
	if (!p->resume || s3_resume_parse(p->resume, &u.resume) < 0 ||
	    strcmp(target, u.resume.target) != 0) {
		log_info("S3 %s: nothing to remove", s3->client.url);
		return EX_OK;
	}
	if (set_id(&u) < 0)
		return push_fail(p, EX_OSERR, "out of memory");
	int status = s3_upload_abort(&u, &result) == S3_OK ? EX_OK : push_s3_fail(s3, &result);
	s3_upload_release(&u);
	return status;
}

/* Frees what it has. */
void s3_upload_release(struct s3_upload *upload)
{
	free(upload->id);
	free(upload->buffer);
	free(upload->parts);
	*upload = (struct s3_upload){ 0 };
}
