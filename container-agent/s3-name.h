/* SPDX-License-Identifier: MIT */
/*
 * What an object in S3 is called: s3://BUCKET/PREFIX and a template, to a bucket and a key.  Pure.
 *
 * Program, container and host name are the attacker's: they become one segment of a key at the
 * most.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define S3_ERROR_SIZE 256
#define S3_KEY_MAX    1024U /* bytes: the limit of S3 itself */

#define S3_KEY_DEFAULT "{id}{suffix}"

struct s3_values {
	const char *id, *exe, *container, *host; /* NULL: not known */
	const char *suffix;			 /* ".core.zst" or ".core" */
};

struct s3_name {
	char *bucket, *key;
};

int s3_name_make(const char *url, const char *template, const struct s3_values *values,
		 struct s3_name *ret_name, char error[S3_ERROR_SIZE]);
void s3_name_release(struct s3_name *name);
#define cleanup_s3_name __attribute__((cleanup(s3_name_release)))

bool s3_endpoint_is_valid(const char *endpoint);
bool s3_region_is_valid(const char *region);
char *s3_url_make(const char *endpoint, const struct s3_name *name, bool is_virtual);
char *s3_encode(const char *text, bool keep_slashes);
