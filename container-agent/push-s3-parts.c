// SPDX-License-Identifier: MIT
/*
 * A large core as an object in S3, in parts.
 *
 * A part is held in memory, so that it alone is sent again when its request fails; where 10,000
 * parts of that size do not do, parts are larger, and sent as they are read.  The attempt after one
 * that failed asks which parts there are, and passes over those that have the MD5 of what it reads
 * itself: the list is the endpoint's word, and CORE_RESUME the container's.
 *
 * Nothing is left behind: what has failed for good is aborted, at once, or when the helper gives up
 * (CORE_ABANDON).
 */
#include <errno.h>
#include <link.h>
#include <nettle/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "digest.h"
#include "end-signal.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "push-s3.h"
#include "s3-resume.h"

#define MD5_HEX_SIZE (2 * MD5_DIGEST_SIZE + 1)
#define ETAG_TRIES   3		  /* when the endpoint says that it has other bytes */
#define CHUNK_BYTES  (256U << 10) /* of a part that is passed over */

struct part {
	uint64_t size;		    /* 0: there is none yet */
	char md5[MD5_HEX_SIZE];	    /* of what we have, or, before, of what the list says */
	char etag[S3_ETAG_MAX + 1]; /* as the endpoint says it; "": the same as md5 */
};

struct upload {
	struct s3_push *s3;
	struct s3_resume resume;
	char *id;	    /* encoded */
	char *buffer;	    /* NULL: parts are sent as they are read */
	struct part *parts; /* the first is part 1 */
	uint32_t count;	    /* parts that there is room for */
	bool heeds_end;
};

static void hex_of(struct md5_ctx *ctx, char hex[MD5_HEX_SIZE])
{
	uint8_t raw[MD5_DIGEST_SIZE];

	md5_digest(ctx, sizeof(raw), raw);
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}

static struct part *part_of(struct upload *u, uint32_t number)
{
	if (number > u->count) {
		uint32_t count = number + 255 < S3_PARTS_MAX ? number + 255 : S3_PARTS_MAX;
		struct part *parts = number <= S3_PARTS_MAX
					     ? reallocarray(u->parts, count, sizeof(*parts))
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
	struct upload *u = context;
	struct part *part = part_of(u, listed->number);
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

static enum s3_failure list_parts(struct upload *u, struct s3_result *result)
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

static int set_id(struct upload *u)
{
	free(u->id);
	u->id = s3_encode(u->resume.upload_id, false);
	return u->id ? 0 : -ENOMEM;
}

/* From now on the next attempt can go on, and the helper can give up. */
static int tell_resume(struct upload *u)
{
	struct push *p = u->s3->push;
	cleanup_free char *text = s3_resume_format(&u->resume);

	if (!text || push_put_text(&p->report.resume, text) < 0)
		return -ENOMEM;
	push_tell(p);
	return 0;
}

static void sha256_of(const void *data, size_t len, char hex[DIGEST_HEX_SIZE])
{
	struct sha256_ctx ctx;

	digest_init(&ctx);
	digest_update(&ctx, data, len);
	digest_finish_hex(&ctx, hex);
}

static int create(struct upload *u)
{
	struct s3_push *s3 = u->s3;
	char sha256[DIGEST_HEX_SIZE];
	struct s3_result result;

	sha256_of("", 0, sha256);
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

/* Parts that are uploaded cost money until someone removes them. */
static enum s3_failure abort_upload(struct upload *u, struct s3_result *result)
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

/* What the attempt before left, if it is of this object.  *ret_found false: begin. */
static int resume(struct upload *u, bool *ret_found)
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

/* --- the parts --- */

/* The part is there: so much of the object is. */
static void advance(struct upload *u)
{
	struct push *p = u->s3->push;

	p->report.offset = p->source->position;
	push_tell_progress(p);
}

static void check_etag(struct upload *u, uint32_t number, struct part *part,
		       struct s3_result *result)
{
	const char *etag = result->etag;

	if (*etag == '\0' || strcmp(etag, part->md5) == 0)
		return;
	if (strlen(etag) != MD5_HEX_SIZE - 1 || strspn(etag, "0123456789abcdef") != strlen(etag)) {
		/* Encrypted by a key of the endpoint's: the tag is not made of the bytes. */
		memcpy(part->etag, etag, sizeof(part->etag));
		return;
	}
	result->failure = S3_AGAIN;
	result->exit_status = EX_TEMPFAIL;
	snprintf(result->error, sizeof(result->error),
		 "%.200s: of part %u the endpoint has other bytes than were sent",
		 u->s3->client.url, number);
}

/* A part that is held in memory: again, if need be. */
static void send_from_memory(struct upload *u, uint32_t number, struct part *part,
			     const struct s3_request *request, struct s3_result *result)
{
	for (int tries = 0; tries < ETAG_TRIES; tries++) {
		s3_request_retry(&u->s3->client, request, result);
		if (result->failure != S3_OK)
			return;
		check_etag(u, number, part, result);
		if (result->failure == S3_OK)
			return;
		log_info("%s", result->error);
	}
}

/* Sends a part of size bytes: from memory, or as the source gives them. */
static int send_part(struct upload *u, uint32_t number, struct part *part, uint64_t size)
{
	struct s3_push *s3 = u->s3;
	char query[64 + 3 * S3_UPLOAD_ID_MAX], sha256[DIGEST_HEX_SIZE];
	struct s3_request request = { .method = "PUT", .query = query };
	struct s3_result result;

	snprintf(query, sizeof(query), "partNumber=%u&uploadId=%s", number, u->id);
	if (u->buffer) {
		sha256_of(u->buffer, (size_t)size, sha256);
		request.body = u->buffer;
		request.body_len = (size_t)size;
		request.sha256 = sha256;
		send_from_memory(u, number, part, &request, &result);
	} else {
		request.has_source_body = true;
		request.source_len = size;
		request.sha256 = S3_UNSIGNED;
		s3_request_run(&s3->client, &request, &result);
		memcpy(part->md5, result.md5, sizeof(part->md5));
		if (result.failure == S3_OK)
			check_etag(u, number, part, &result);
	}
	if (result.failure == S3_NO_UPLOAD)
		(void)push_put_text(&s3->push->report.resume, NULL);
	if (result.failure != S3_OK)
		return push_s3_fail(s3, &result);
	part->size = size;
	advance(u);
	return EX_OK;
}

/* As much as a part may have; less only at the core's end. */
static ssize_t fill(struct upload *u, char *buffer, uint64_t max, struct md5_ctx *md5)
{
	uint64_t filled = 0;

	while (filled < max) {
		uint64_t left = max - filled;
		char *to = u->buffer ? buffer + filled : buffer;
		ssize_t n = source_read(u->s3->push->source, to,
					!u->buffer && left > CHUNK_BYTES ? CHUNK_BYTES : left);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		md5_update(md5, (size_t)n, (const uint8_t *)to);
		filled += (uint64_t)n;
	}
	return (ssize_t)filled;
}

/* *ret_size: what the part has; 0: there was nothing left. */
static int put_part_from_memory(struct upload *u, uint32_t number, uint64_t *ret_size)
{
	struct push *p = u->s3->push;
	struct part *part = part_of(u, number);
	struct md5_ctx md5;
	char hex[MD5_HEX_SIZE];

	md5_init(&md5);
	ssize_t n = fill(u, u->buffer, u->resume.part_bytes, &md5);
	if (n < 0)
		return push_fail(p, EX_IOERR, "the core cannot be read: %s",
				 source_strerror((int)n));
	*ret_size = (uint64_t)n;
	if (n == 0 && number > 1)
		return EX_OK;
	if (!part)
		return push_fail(p, EX_UNAVAILABLE,
				 "the core has more than %u parts of %llu bytes: S3 takes no more",
				 S3_PARTS_MAX, (unsigned long long)u->resume.part_bytes);
	hex_of(&md5, hex);
	if (part->size == (uint64_t)n && strcmp(part->md5, hex) == 0) {
		advance(u);
		return EX_OK;
	}
	memcpy(part->md5, hex, sizeof(hex));
	return send_part(u, number, part, (uint64_t)n);
}

static int put_part_from_source(struct upload *u, uint32_t number, uint64_t *ret_size)
{
	struct push *p = u->s3->push;
	struct part *part = part_of(u, number);
	uint64_t left = p->source->size - p->source->position;
	uint64_t size = left < u->resume.part_bytes ? left : u->resume.part_bytes;
	cleanup_free char *chunk = malloc(CHUNK_BYTES);
	struct md5_ctx md5;
	char hex[MD5_HEX_SIZE];

	if (!part || !chunk)
		return push_fail(p, EX_OSERR, "out of memory");
	*ret_size = size;
	if (size == 0 || part->size != size)
		return size == 0 ? EX_OK : send_part(u, number, part, size);
	md5_init(&md5);
	ssize_t n = fill(u, chunk, size, &md5);
	if (n < 0)
		return push_fail(p, EX_IOERR, "the core cannot be read: %s",
				 source_strerror((int)n));
	hex_of(&md5, hex);
	if (strcmp(part->md5, hex) == 0) {
		advance(u);
		return EX_OK;
	}
	/* A pipe does not go back: all of it again, by the next attempt. */
	struct s3_result result;
	(void)abort_upload(u, &result);
	return push_fail(p, EX_TEMPFAIL, "%s: part %u has other bytes than the core",
			 u->s3->client.url, number);
}

static int put_parts(struct upload *u, uint32_t *ret_count)
{
	struct push *p = u->s3->push;

	for (uint32_t number = 1;; number++) {
		uint64_t size = 0;
		int status = u->buffer ? put_part_from_memory(u, number, &size)
				       : put_part_from_source(u, number, &size);

		if (status != EX_OK)
			return status;
		if (size > 0 || number == 1)
			*ret_count = number;
		if (size < u->resume.part_bytes)
			return EX_OK;
		if (end_signal_came)
			return push_fail(p, EX_TEMPFAIL, "it was to end");
	}
}

/* --- the whole --- */

static char *make_list(const struct upload *u, uint32_t count, size_t *ret_len)
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
static void whole_etag(const struct upload *u, uint32_t count, char etag[MD5_HEX_SIZE + 8])
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
	hex_of(&md5, hex);
	snprintf(etag, MD5_HEX_SIZE + 8, "%s-%u", hex, count);
}

static int complete(struct upload *u, uint32_t count)
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
	sha256_of(body, len, sha256);
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

/*
 * Of the libraries' code (libcrypto's above all) much is needed only when they start, and stays
 * mapped.  The kernel maps again what is needed once more; without it there is room for a part.
 */
static int release_code(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size, (void)context;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;
		uintptr_t page = start & ~(uintptr_t)4095;

		/* What can be written has relocations, which are nowhere else. */
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			(void)madvise((void *)page, start - page + segment->p_filesz,
				      MADV_DONTNEED);
	}
	return 0;
}

static uint64_t choose_part_bytes(const struct push *p)
{
	uint64_t bytes = S3_PART_BYTES, mib = 1ULL << 20;

	if (!p->source->has_size)
		return bytes; /* the end of a part has to be known before it is sent */
	if (p->settings->s3_part_size)
		(void)parse_size(p->settings->s3_part_size, &bytes);
	if (p->source->size > bytes * S3_PARTS_MAX)
		bytes = (p->source->size / S3_PARTS_MAX / mib + 1) * mib;
	return bytes;
}

static int run(struct upload *u)
{
	struct push *p = u->s3->push;
	bool is_found;
	uint32_t count = 0;
	int status = resume(u, &is_found);

	if (status == EX_OK && u->resume.part_bytes == S3_PART_BYTES) {
		u->buffer = malloc(S3_PART_BYTES);
		if (!u->buffer)
			return push_fail(p, EX_OSERR, "out of memory");
	}
	if (status == EX_OK && !is_found)
		status = create(u);
	if (status == EX_OK) {
		(void)dl_iterate_phdr(release_code, NULL);
		status = put_parts(u, &count);
	}
	return status == EX_OK ? complete(u, count) : status;
}

/* Uploads what the source gives, in parts.  Returns a status of sysexits(3). */
int push_s3_parts(struct s3_push *s3)
{
	struct push *p = s3->push;
	struct upload u = { .s3 = s3 };
	struct s3_result result;

	u.resume.part_bytes = choose_part_bytes(p);
	u.resume.is_raw = p->source->is_raw;
	s3_resume_target(s3->client.url, u.resume.target);
	if (end_signal_watch() < 0)
		return push_fail(p, EX_OSERR, "its signals cannot be set");
	s3->client.heeds_end = true;
	int status = run(&u);
	/* What ends for good leaves nothing; nor does what nobody will try again. */
	bool is_kept = status == EX_TEMPFAIL && (p->is_helped || !end_signal_came);
	if (status != EX_OK && p->report.resume && !is_kept)
		(void)abort_upload(&u, &result);
	free(u.id);
	free(u.buffer);
	free(u.parts);
	return status;
}

/* Removes what CORE_RESUME tells of.  Returns a status of sysexits(3). */
int push_s3_abandon(struct s3_push *s3)
{
	struct push *p = s3->push;
	struct upload u = { .s3 = s3 };
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
	int status = abort_upload(&u, &result) == S3_OK ? EX_OK : push_s3_fail(s3, &result);
	free(u.id);
	return status;
}
