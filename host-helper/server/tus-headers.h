/* SPDX-License-Identifier: MIT */
/*
 * The headers of tus 1.0.0 (resumable uploads), and the path of an upload.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUS_VERSION	 "1.0.0"
#define TUS_WHY_SIZE	 96
#define TUS_METADATA_MAX (16U << 10)
#define TUS_KEYS_MAX	 64
#define TUS_NAME_SIZE	 33 /* 32 hexadecimal digits: nobody guesses one */
#define TUS_DIGEST_MAX	 32

enum tus_algorithm { TUS_SHA1, TUS_SHA256 };

struct tus_checksum {
	enum tus_algorithm algorithm;
	size_t len;
	uint8_t digest[TUS_DIGEST_MAX];
};

/* value ends with a NUL that is not counted in len, and may hold others.  0, or a negative number
   that ends the reading. */
typedef int (*tus_pair_fn)(void *context, const char *key, const char *value, size_t len);

int tus_metadata_for_each(const char *header, tus_pair_fn fn, void *context,
			  char why[TUS_WHY_SIZE]);
int tus_checksum_parse(const char *header, struct tus_checksum *ret_checksum);
bool tus_name_is_valid(const char *name);
int tus_path_to_name(const char *path, char ret_name[TUS_NAME_SIZE]);
