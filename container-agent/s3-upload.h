/* SPDX-License-Identifier: MIT */
/*
 * A multipart upload to S3 as the endpoint has it: begun, asked for, completed, aborted.
 */
#pragma once

#include <nettle/md5.h>

#include "digest.h"
#include "push-s3.h"
#include "s3-resume.h"

#define MD5_HEX_SIZE (2 * MD5_DIGEST_SIZE + 1)

struct s3_upload_part {
	uint64_t size;		    /* 0: there is none yet */
	char md5[MD5_HEX_SIZE];	    /* of what we have, or, before, of what the list says */
	char etag[S3_ETAG_MAX + 1]; /* as the endpoint says it; "": the same as md5 */
};

struct s3_upload {
	struct s3_push *s3;
	struct s3_resume resume;
	char *id;		      /* encoded */
	char *buffer;		      /* NULL: parts are sent as they are read */
	struct s3_upload_part *parts; /* the first is part 1 */
	uint32_t count;		      /* parts that there is room for */
};

struct s3_upload_part *s3_upload_part(struct s3_upload *upload, uint32_t number);
int s3_upload_resume(struct s3_upload *upload, bool *ret_found);
int s3_upload_create(struct s3_upload *upload);
int s3_upload_complete(struct s3_upload *upload, uint32_t count);
enum s3_failure s3_upload_abort(struct s3_upload *upload, struct s3_result *result);
int s3_upload_abandon(struct s3_push *s3);
void s3_upload_release(struct s3_upload *upload);

void s3_md5_hex(struct md5_ctx *ctx, char hex[MD5_HEX_SIZE]);
void s3_sha256_hex(const void *data, size_t len, char hex[DIGEST_HEX_SIZE]);
