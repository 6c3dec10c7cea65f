/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 (nettle), and its two written forms: hexadecimal in records, base64 in HTTP's
 * Repr-Digest. Pure but for digest_file().
 */
#pragma once

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_HEX_SIZE (2 * SHA256_DIGEST_SIZE + 1)
/* "sha-256=:" + 44 characters of base64 + ":" + NUL */
#define DIGEST_HEADER_SIZE 55

void digest_init(struct sha256_ctx *ctx);
void digest_update(struct sha256_ctx *ctx, const void *data, size_t len);
void digest_finish_hex(struct sha256_ctx *ctx, char hex[DIGEST_HEX_SIZE]);
int digest_file(int fd, char hex[DIGEST_HEX_SIZE]);
int digest_hex_to_header(const char *hex, char header[DIGEST_HEADER_SIZE]);
int digest_header_to_hex(const char *header, char hex[DIGEST_HEX_SIZE]);
