/* SPDX-License-Identifier: MIT */
/*
 * What an S3 endpoint answers in XML: errors, the id of an upload, lists of parts.  Pure.
 *
 * The endpoint may be anyone.  What it says is parsed by expat within bounds, without document type
 * and so without entities; of all else only the few elements that are asked for are kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define S3_WORD_MAX	 64U
#define S3_MESSAGE_MAX	 200U
#define S3_ETAG_MAX	 128U
#define S3_UPLOAD_ID_MAX 1024U /* 128 at AWS; it also has to fit into CORE_RESUME, encoded */
#define S3_PARTS_MAX	 10000U

struct s3_part {
	uint32_t number; /* from 1 */
	uint64_t size;
	const char *etag; /* as it stands in the answer; valid during the call */
};

/* Called for each part of a list.  Not 0: stop. */
typedef int (*s3_part_fn)(void *context, const struct s3_part *part);

struct s3_answer {
	char root[S3_WORD_MAX + 1];	      /* the outermost element, "": there was none */
	char code[S3_WORD_MAX + 1];	      /* of an Error */
	char message[S3_MESSAGE_MAX + 1];     /* of an Error; any bytes but NUL */
	char upload_id[S3_UPLOAD_ID_MAX + 1]; /* visible ASCII, or "" */
	char etag[S3_ETAG_MAX + 1];	      /* of the whole object */
	bool is_truncated;		      /* there are more parts to be listed */
	uint32_t next_part;		      /* ...behind this one */
};

struct s3_parser;

struct s3_parser *s3_parser_new(struct s3_answer *answer, s3_part_fn fn, void *context);
void s3_parser_free(struct s3_parser *parser);
int s3_parser_add(struct s3_parser *parser, const char *data, size_t len);
int s3_parser_finish(struct s3_parser *parser);
