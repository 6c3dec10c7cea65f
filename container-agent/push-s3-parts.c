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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>

#include "end-signal.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "push-s3.h"
#include "s3-upload.h"

#define ETAG_TRIES  3		 /* when the endpoint says that it has other bytes */
#define CHUNK_BYTES (256U << 10) /* of a part that is passed over */

/* The part is there: so much of the object is. */
static void advance(struct s3_upload *u)
{
	struct push *p = u->s3->push;

	p->report.offset = p->source->position;
	push_tell_progress(p);
}

static void check_etag(struct s3_upload *u, uint32_t number, struct s3_upload_part *part,
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
static void send_from_memory(struct s3_upload *u, uint32_t number, struct s3_upload_part *part,
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
static int send_part(struct s3_upload *u, uint32_t number, struct s3_upload_part *part,
		     uint64_t size)
{
	struct s3_push *s3 = u->s3;
	char query[64 + 3 * S3_UPLOAD_ID_MAX], sha256[DIGEST_HEX_SIZE];
	struct s3_request request = { .method = "PUT", .query = query };
	struct s3_result result;

	snprintf(query, sizeof(query), "partNumber=%u&uploadId=%s", number, u->id);
	if (u->buffer) {
		s3_sha256_hex(u->buffer, (size_t)size, sha256);
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
static ssize_t fill(struct s3_upload *u, char *buffer, uint64_t max, struct md5_ctx *md5)
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
static int put_part_from_memory(struct s3_upload *u, uint32_t number, uint64_t *ret_size)
{
	struct push *p = u->s3->push;
	struct s3_upload_part *part = s3_upload_part(u, number);
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
	s3_md5_hex(&md5, hex);
	if (part->size == (uint64_t)n && strcmp(part->md5, hex) == 0) {
		advance(u);
		return EX_OK;
	}
	memcpy(part->md5, hex, sizeof(hex));
	return send_part(u, number, part, (uint64_t)n);
}

static int put_part_from_source(struct s3_upload *u, uint32_t number, uint64_t *ret_size)
{
	struct push *p = u->s3->push;
	struct s3_upload_part *part = s3_upload_part(u, number);
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
	s3_md5_hex(&md5, hex);
	if (strcmp(part->md5, hex) == 0) {
		advance(u);
		return EX_OK;
	}
	/* A pipe does not go back: all of it again, by the next attempt. */
	struct s3_result result;
	(void)s3_upload_abort(u, &result);
	return push_fail(p, EX_TEMPFAIL, "%s: part %u has other bytes than the core",
			 u->s3->client.url, number);
}

static int put_parts(struct s3_upload *u, uint32_t *ret_count)
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

static int run(struct s3_upload *u)
{
	struct push *p = u->s3->push;
	bool is_found;
	uint32_t count = 0;
	int status = s3_upload_resume(u, &is_found);

	if (status == EX_OK && u->resume.part_bytes == S3_PART_BYTES) {
		u->buffer = malloc(S3_PART_BYTES);
		if (!u->buffer)
			return push_fail(p, EX_OSERR, "out of memory");
	}
	if (status == EX_OK && !is_found)
		status = s3_upload_create(u);
	if (status == EX_OK) {
		(void)dl_iterate_phdr(release_code, NULL);
		status = put_parts(u, &count);
	}
	return status == EX_OK ? s3_upload_complete(u, count) : status;
}

/* Uploads what the source gives, in parts.  Returns a status of sysexits(3). */
int push_s3_parts(struct s3_push *s3)
{
	struct push *p = s3->push;
	struct s3_upload u = { .s3 = s3 };
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
		(void)s3_upload_abort(&u, &result);
	s3_upload_release(&u);
	return status;
}
