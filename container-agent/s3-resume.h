/* SPDX-License-Identifier: MIT */
/*
 * What one attempt leaves to the next of a multipart upload, as one word of visible ASCII.  Pure.
 *
 * Between them it goes through others' hands, so it is checked when it comes back: that it is for
 * another object, or not ours at all, must do nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3-answer.h"

#define S3_PART_BYTES	  (5ULL << 20) /* the least that S3 takes, and what is held in memory */
#define S3_PART_BYTES_MAX (5ULL << 30)

struct s3_resume {
	uint64_t part_bytes;
	bool is_raw;	 /* the object is the raw core */
	char target[17]; /* of whose upload this is: s3_resume_target() */
	char upload_id[S3_UPLOAD_ID_MAX + 1];
};

void s3_resume_target(const char *url, char target[17]);
char *s3_resume_format(const struct s3_resume *resume);
int s3_resume_parse(const char *text, struct s3_resume *ret_resume);
