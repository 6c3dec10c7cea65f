/* SPDX-License-Identifier: MIT */
/*
 * What a tus request does with its upload: it brings bytes, or has it finished.
 */
#pragma once

#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "request.h"
#include "tus-finish.h"
#include "tus-lock.h"
#include "tus-upload.h"

#define TUS_CONTENT_TYPE "application/offset+octet-stream"
#define TUS_ALGORITHMS	 "sha256,sha1"

/* A request that brings bytes of an upload, or asks for one that is to be finished. */
struct tus_work {
	struct server *server;
	struct tus_upload upload;
	struct tus_lock lock;
	bool created, head;
	bool is_counted; /* among server->uploads */
	bool has_checksum, checked;
	struct tus_checksum checksum;
	struct sha1_ctx sha1;
	struct sha256_ctx sha256;
	uint64_t accounted, synced; /* offsets */
	struct tus_finish_job job;
};

void tus_answer_empty(struct answer *answer, unsigned status);
void tus_answer_offset(const struct tus_work *w, struct answer *answer);
void tus_answer_locked(struct answer *answer);
void tus_answer_error(int error, struct answer *answer);

const char *tus_header_of(struct request *request, const char *name);
bool tus_has_body_type(struct request *request);

struct tus_work *tus_work_new(struct request *request, struct answer *answer);
void tus_work_free(void *context);
void tus_work_begin_body(struct request *request, struct tus_work *w, struct answer *answer);
void tus_work_begin_finish(struct request *request, struct tus_work *w);
