/* SPDX-License-Identifier: MIT */
/*
 * An upload over several requests, as it stands on the disk: .uploads/NAME/ with the bytes that
 * came so far (body), and what was said of them (info.json).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "crash-id.h"
#include "digest.h"
#include "tokens.h"
#include "tus-headers.h"

#define TUS_NO_FLOOR UINT64_MAX

struct tus_upload {
	char name[TUS_NAME_SIZE];
	int dirfd, body_fd;
	uint64_t offset; /* bytes that came */
	/* the same as info.json: */
	uint64_t length; /* bytes that are to come */
	/* A PATCH with a checksum began here: unless it is known to be right, all behind goes. */
	uint64_t floor;
	bool zst;
	char id[CRASH_ID_SIZE];
	char directory[TOKEN_DIRECTORY_SIZE];
	char sha256[DIGEST_HEX_SIZE]; /* of the body, or of the raw core; "": not said */
	bool published;
	char body_sha256[DIGEST_HEX_SIZE]; /* of what was published */
	json_t *headers;		   /* object: of X-Core-..., their values */
};

int tus_upload_create(int uploads_fd, struct tus_upload *upload);
int tus_upload_open(int uploads_fd, const char *name, struct tus_upload *ret_upload);
void tus_upload_close(struct tus_upload *upload);
#define cleanup_tus_upload __attribute__((cleanup(tus_upload_close)))

int tus_upload_write(struct tus_upload *upload, const char *data, size_t len);
int tus_upload_set_floor(struct tus_upload *upload, uint64_t floor);
int tus_upload_cut(struct tus_upload *upload, uint64_t offset);
int tus_upload_set_published(int uploads_fd, struct tus_upload *upload, const char *body_sha256);
int tus_upload_remove(int uploads_fd, const char *name);

uint64_t tus_upload_used(const struct tus_upload *upload);
uint64_t tus_upload_changed_us(const struct tus_upload *upload);

typedef void (*tus_upload_fn)(void *context, const struct tus_upload *upload);
int tus_upload_for_each(int uploads_fd, tus_upload_fn fn, void *context);
unsigned tus_upload_remove_old(int uploads_fd, uint64_t before_us, uint64_t done_before_us);
