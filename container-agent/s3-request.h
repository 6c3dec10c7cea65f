/* SPDX-License-Identifier: MIT */
/*
 * One signed request to an S3 endpoint, and what came back.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http-access.h"
#include "push.h"
#include "s3-answer.h"
#include "s3-settings.h"

#define S3_UNSIGNED "UNSIGNED-PAYLOAD"

/* Of all requests of an attempt: the connection stays open between them. */
struct s3_client {
	struct push *push;
	const struct s3_settings *settings;
	CURL *curl;
	struct http_access access;
	char *url;	 /* of the object, without query */
	char sigv4[128]; /* for libcurl */
	bool heeds_end;	 /* SIGTERM ends what is under way */
};

struct s3_request {
	const char *method; /* "PUT", "POST", "GET", "HEAD" or "DELETE" */
	const char *query;  /* sorted and encoded, or NULL */
	const char *body;   /* NULL: none, or that of the push's source */
	size_t body_len;
	bool has_source_body; /* the next source_len bytes of the source */
	uint64_t source_len;
	const char *sha256;	    /* of the body, in hexadecimal; or S3_UNSIGNED */
	struct curl_slist *headers; /* further ones; stays the caller's */
	s3_part_fn on_part;	    /* of a list */
	void *part_context;
};

/* The name of what went wrong, as the caller has to branch on it. */
enum s3_failure {
	S3_OK,
	S3_AGAIN,     /* no connection, a time-out, 5xx, SlowDown: it may work later */
	S3_NO_UPLOAD, /* there is no such multipart upload (any more) */
	S3_FINAL,     /* anything else; exit_status says what */
};

struct s3_result {
	enum s3_failure failure;
	int exit_status; /* sysexits(3) */
	uint32_t status; /* HTTP, 0: none */
	uint32_t retry_after_s;
	uint64_t source_sent;	    /* bytes of the source that were taken */
	uint64_t length;	    /* Content-Length of the answer */
	char etag[S3_ETAG_MAX + 1]; /* the header, without quotes, or "" */
	char md5[2 * 16 + 1];	    /* of a body from the source */
	struct s3_answer answer;
	char error[640]; /* one line; bytes of others may stand in it */
};

int s3_client_open(struct s3_client *client, struct push *push, const struct s3_settings *settings,
		   const struct s3_name *name);
void s3_client_close(struct s3_client *client);
void s3_request_retry(struct s3_client *client, const struct s3_request *request,
		      struct s3_result *result);
void s3_request_run(struct s3_client *client, const struct s3_request *request,
		    struct s3_result *result);
void s3_etag_unquote(const char *text, char etag[S3_ETAG_MAX + 1]);
