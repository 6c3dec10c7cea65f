// SPDX-License-Identifier: MIT
/*
 * SHA-256 (nettle: uses the CPU's instructions, has no start-up cost and links statically), and its
 * two written forms: hexadecimal in records, base64 in HTTP's Repr-Digest.
 *
 * digest_header_to_hex() takes what an HTTP peer sent.
 */
#include "digest.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fd.h"

/* Starts a digest. */
void digest_init(struct sha256_ctx *ctx)
{
	sha256_init(ctx);
}

/* Adds len bytes. */
void digest_update(struct sha256_ctx *ctx, const void *data, size_t len)
{
	sha256_update(ctx, len, data);
}

/* Ends the digest: 64 lower-case hexadecimal digits and NUL. */
void digest_finish_hex(struct sha256_ctx *ctx, char hex[DIGEST_HEX_SIZE])
{
	uint8_t raw[SHA256_DIGEST_SIZE];

	sha256_digest(ctx, sizeof(raw), raw);
	base16_encode_update(hex, sizeof(raw), raw);
	hex[DIGEST_HEX_SIZE - 1] = '\0';
}

/* The digest of a whole file, read by offset: fd's position stays. 0 or -errno. */
int digest_file(int fd, char hex[DIGEST_HEX_SIZE])
{
	struct sha256_ctx ctx;
	size_t size = 256UL * 1024;
	cleanup_free char *buf = malloc(size);
	off_t offset = 0;

	if (!buf)
		return -ENOMEM;
	digest_init(&ctx);
	for (;;) {
		ssize_t n = pread(fd, buf, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		digest_update(&ctx, buf, (size_t)n);
		offset += n;
	}
	digest_finish_hex(&ctx, hex);
	return 0;
}

/* "sha-256=:BASE64:" of 64 hexadecimal digits (RFC 9530, RFC 8941). 0, or -EINVAL: not such digits.
 */
int digest_hex_to_header(const char *hex, char header[DIGEST_HEADER_SIZE])
{
	struct base16_decode_ctx ctx;
	uint8_t raw[BASE16_DECODE_LENGTH(64) + 1];
	size_t len = sizeof(raw);
	char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";

	if (strlen(hex) != DIGEST_HEX_SIZE - 1)
		return -EINVAL;
	base16_decode_init(&ctx);
	if (!base16_decode_update(&ctx, &len, raw, DIGEST_HEX_SIZE - 1, hex) ||
	    !base16_decode_final(&ctx) || len != SHA256_DIGEST_SIZE)
		return -EINVAL;
	base64_encode_raw(text, len, raw);
	snprintf(header, DIGEST_HEADER_SIZE, "sha-256=:%s:", text);
	return 0;
}

/*
 * Finds sha-256 in the value of a Repr-Digest header (a dictionary: other algorithms may stand
 * beside it).  0, -ENOENT: no sha-256 there, -EINVAL: there, but not a digest.
 */
int digest_header_to_hex(const char *header, char hex[DIGEST_HEX_SIZE])
{
	static const char key[] = "sha-256=:";
	const char *p = header;

	for (;;) {
		p += strspn(p, " \t,");
		if (*p == '\0')
			return -ENOENT;
		if (strncasecmp(p, key, sizeof(key) - 1) == 0)
			break;
		p += strcspn(p, ",");
	}
	p += sizeof(key) - 1;

	size_t n = strcspn(p, ":");
	struct base64_decode_ctx ctx;
	uint8_t raw[BASE64_DECODE_LENGTH(64)];
	size_t len = sizeof(raw);

	if (p[n] != ':' || n != BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE))
		return -EINVAL;
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &len, raw, n, p) || !base64_decode_final(&ctx) ||
	    len != SHA256_DIGEST_SIZE)
		return -EINVAL;
	base16_encode_update(hex, len, raw);
	hex[DIGEST_HEX_SIZE - 1] = '\0';
	return 0;
}
