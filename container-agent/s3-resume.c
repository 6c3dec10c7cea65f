// SPDX-License-Identifier: MIT
/*
 * What one attempt leaves to the next: "s3/1/PART_BYTES/raw|zst/TARGET/UPLOAD_ID".  Pure.
 *
 * The upload's id is the endpoint's, and percent-encoded here; what comes back is the container's.
 */
#include "s3-resume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "fd.h"
#include "parse.h"
#include "s3-name.h"
#include "text.h"

#define START "s3/1/"

/* 16 hexadecimal digits that stand for the URL of an object. */
void s3_resume_target(const char *url, char target[17])
{
	struct sha256_ctx ctx;
	char hex[DIGEST_HEX_SIZE];

	digest_init(&ctx);
	digest_update(&ctx, url, strlen(url));
	digest_finish_hex(&ctx, hex);
	memcpy(target, hex, 16);
	target[16] = '\0';
}

/* As a text (free it); NULL: no memory. */
char *s3_resume_format(const struct s3_resume *resume)
{
	cleanup_free char *id = s3_encode(resume->upload_id, false);
	char *text = NULL;

	if (!id || asprintf(&text, START "%" PRIu64 "/%s/%s/%s", resume->part_bytes,
			    resume->is_raw ? "raw" : "zst", resume->target, id) < 0)
		return NULL;
	return text;
}

static int take_upload_id(const char *text, char id[S3_UPLOAD_ID_MAX + 1])
{
	cleanup_free char *bytes = NULL;
	size_t len;

	int r = text_percent_decode(text, &bytes, &len);
	if (r < 0)
		return r;
	if (len == 0 || len > S3_UPLOAD_ID_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
			return -EINVAL;
	memcpy(id, bytes, len);
	id[len] = '\0';
	return 0;
}

/* 0, -EINVAL: it is none of ours, or -ENOMEM. */
int s3_resume_parse(const char *text, struct s3_resume *ret_resume)
{
	struct s3_resume resume = { 0 };
	cleanup_free char *copy = NULL;
	char *rest;

	if (strncmp(text, START, strlen(START)) != 0)
		return -EINVAL;
	rest = copy = strdup(text + strlen(START));
	if (!copy)
		return -ENOMEM;
	const char *bytes = strsep(&rest, "/"), *form = strsep(&rest, "/");
	const char *target = strsep(&rest, "/");
	if (!form || !target || !rest || strlen(target) != sizeof(resume.target) - 1 ||
	    strspn(target, "0123456789abcdef") != sizeof(resume.target) - 1 ||
	    parse_u64(bytes, S3_PART_BYTES_MAX, &resume.part_bytes) < 0 ||
	    resume.part_bytes < S3_PART_BYTES)
		return -EINVAL;
	resume.is_raw = strcmp(form, "raw") == 0;
	if (!resume.is_raw && strcmp(form, "zst") != 0)
		return -EINVAL;
	memcpy(resume.target, target, sizeof(resume.target));
	int r = take_upload_id(rest, resume.upload_id);
	if (r < 0)
		return r;
	*ret_resume = resume;
	return 0;
}
