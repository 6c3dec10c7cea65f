/* SPDX-License-Identifier: MIT */
/*
 * What the two ways of putting an object share: at once, and in parts.
 */
#pragma once

#include "push.h"
#include "s3-request.h"

struct s3_push {
	struct push *push;
	struct s3_settings settings;
	struct s3_name name;
	struct s3_client client;
	struct curl_slist *metadata; /* Content-Type and x-amz-meta-* */
};

int push_s3_fail(struct s3_push *s3, const struct s3_result *result);
int push_s3_done(struct s3_push *s3, const char *etag, const char *expected_etag);
int push_s3_parts(struct s3_push *s3);
