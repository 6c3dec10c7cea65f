/* SPDX-License-Identifier: MIT */
/*
 * What an upload says of its core: the path and the headers, read into a record.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core-headers.h"
#include "crash.h"

#define RECEIVE_WHY_SIZE 96

struct receive_headers {
	struct crash crash; /* id, exe, pid, ...: not the core's sizes and digests */
	unsigned seen;	    /* bits of enum core_header, and the next one: Repr-Digest */
	uint64_t size;	    /* of the raw core, if CORE_HEADER_SIZE was seen */
	char raw_sha256[DIGEST_HEX_SIZE];  /* "" or the raw core's */
	char body_sha256[DIGEST_HEX_SIZE]; /* "" or the body's */
	char any_sha256[DIGEST_HEX_SIZE];  /* "" or that of one of the two (tus) */
};

int receive_path_to_id(const char *path, char ret_id[CRASH_ID_SIZE], bool *ret_zst);
int receive_parse_time(const char *text, uint64_t *ret_time_us);

int receive_headers_init(struct receive_headers *headers, const char *id);
void receive_headers_release(struct receive_headers *headers);
#define cleanup_receive_headers __attribute__((cleanup(receive_headers_release)))
int receive_headers_take(struct receive_headers *headers, const char *name, const char *value,
			 char why[RECEIVE_WHY_SIZE]);
