/* SPDX-License-Identifier: MIT */
/*
 * The core as it stands on stdin, in the form that the endpoint shall have: as it is stored, or
 * unpacked.
 *
 * The bytes are the attacker's: they are unpacked with the victim's rights, within bounded memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "digest.h"

#define SOURCE_ERROR_SIZE 256

struct source_unpacker;

struct source {
	int fd;
	const char *suffix; /* of the name: ".core.zst" or ".core" */
	const char *content_type;
	bool is_raw;			  /* what source_read() gives is the raw ELF core */
	bool has_size;			  /* `size` is known */
	uint64_t size;			  /* bytes that source_read() gives in all */
	char sha256[DIGEST_HEX_SIZE];	  /* of them, or "": not known */
	uint64_t position;		  /* bytes that it has given */
	struct source_unpacker *unpacker; /* NULL: they are given as they are */
};

int source_open(struct source *source, int fd, const char *wanted_encoding,
		char error[SOURCE_ERROR_SIZE]);
void source_close(struct source *source);
ssize_t source_read(struct source *source, void *buf, size_t len);
int source_seek(struct source *source, uint64_t position);
const char *source_strerror(int error);
#define cleanup_source __attribute__((cleanup(source_close)))
