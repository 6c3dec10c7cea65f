// SPDX-License-Identifier: MIT
/*
 * The headers of tus 1.0.0.
 *
 * All of it is the peer's.  What is not exactly as the protocol writes it is refused.
 * See: tus.io, "Resumable upload protocol 1.0.x".
 */
#include "tus-headers.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fd.h"

#define UPLOADS	  "/uploads/"
#define HEX_CHARS "0123456789abcdef"

/* Strict base64 of the whole text (changed to a buffer of at least len / 4 * 3 + 3). */
static int decode(const char *text, size_t len, uint8_t *bytes, size_t *ret_len)
{
	struct base64_decode_ctx ctx;

	/* nettle passes over blanks and line ends, which nobody needs in a header. */
	if (memchr(text, ' ', len) || memchr(text, '\t', len) || len % 4 != 0)
		return -EINVAL;
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, ret_len, bytes, len, text) || !base64_decode_final(&ctx))
		return -EINVAL;
	return 0;
}

static int refuse(char why[TUS_WHY_SIZE], const char *what)
{
	snprintf(why, TUS_WHY_SIZE, "Upload-Metadata: %s", what);
	return -EINVAL;
}

static bool is_key(const char *key)
{
	for (const char *p = key; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return *key != '\0';
}

static int take_pair(char *pair, tus_pair_fn fn, void *context, char why[TUS_WHY_SIZE])
{
	char *value = strchr(pair, ' ');
	cleanup_free uint8_t *bytes = NULL;
	size_t len = 0;

	if (value)
		*value++ = '\0';
	if (!is_key(pair))
		return refuse(why, "a key is not visible ASCII");
	bytes = malloc((value ? strlen(value) : 0) / 4 * 3 + 4);
	if (!bytes)
		return -ENOMEM;
	if (value && decode(value, strlen(value), bytes, &len) < 0)
		return refuse(why, "a value is not base64");
	bytes[len] = '\0';
	return fn(context, pair, (const char *)bytes, len);
}

static bool is_repeated(char *const *pairs, size_t count, const char *pair)
{
	size_t len = strcspn(pair, " ");

	for (size_t i = 0; i < count; i++)
		if (strcspn(pairs[i], " ") == len && strncasecmp(pairs[i], pair, len) == 0)
			return true;
	return false;
}

/*
 * Calls fn for each pair of an Upload-Metadata header, its value decoded.  All of the header is
 * checked before but the values.  -EINVAL: `why` says what is wrong; -ENOMEM; what fn returned.
 */
int tus_metadata_for_each(const char *header, tus_pair_fn fn, void *context, char why[TUS_WHY_SIZE])
{
	char *pairs[TUS_KEYS_MAX];
	size_t count = 0;
	int r = 0;

	if (strlen(header) > TUS_METADATA_MAX)
		return refuse(why, "is too long");
	if (*header == '\0')
		return 0;
	cleanup_free char *copy = strdup(header);
	char *rest = copy;
	if (!copy)
		return -ENOMEM;
	for (char *pair; (pair = strsep(&rest, ","));) {
		if (count > 0)
			pair += strspn(pair, " "); /* "a YQ==, b Yg==" is what some clients send */
		if (count == TUS_KEYS_MAX)
			return refuse(why, "has too many keys");
		if (is_repeated(pairs, count, pair))
			return refuse(why, "has a key twice");
		pairs[count++] = pair;
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = take_pair(pairs[i], fn, context, why);
	return r;
}

/*
 * Reads "sha256 BASE64" or "sha1 BASE64".  -ENOTSUP: another algorithm; -EINVAL: not a checksum.
 */
int tus_checksum_parse(const char *header, struct tus_checksum *ret_checksum)
{
	struct tus_checksum checksum = { 0 };
	const char *value = strchr(header, ' ');
	uint8_t bytes[BASE64_DECODE_LENGTH(64) + 3];
	size_t wanted, len = 0;

	if (!value)
		return -EINVAL;
	if (value - header == 6 && memcmp(header, "sha256", 6) == 0) {
		checksum.algorithm = TUS_SHA256;
		wanted = SHA256_DIGEST_SIZE;
	} else if (value - header == 4 && memcmp(header, "sha1", 4) == 0) {
		checksum.algorithm = TUS_SHA1;
		wanted = SHA1_DIGEST_SIZE;
	} else {
		return -ENOTSUP;
	}
	value++;
	if (strlen(value) > 64 || decode(value, strlen(value), bytes, &len) < 0 || len != wanted)
		return -EINVAL;
	checksum.len = len;
	memcpy(checksum.digest, bytes, len);
	*ret_checksum = checksum;
	return 0;
}

/* True for what names an upload: 32 lower-case hexadecimal digits. */
bool tus_name_is_valid(const char *name)
{
	return strspn(name, HEX_CHARS) == TUS_NAME_SIZE - 1 && name[TUS_NAME_SIZE - 1] == '\0';
}

/* The name in "/ANYTHING/uploads/NAME".  -EINVAL: that is no upload's path. */
int tus_path_to_name(const char *path, char ret_name[TUS_NAME_SIZE])
{
	size_t len = strlen(path), tail = strlen(UPLOADS) + TUS_NAME_SIZE - 1;

	if (len < tail || strncmp(path + len - tail, UPLOADS, strlen(UPLOADS)) != 0 ||
	    !tus_name_is_valid(path + len - (TUS_NAME_SIZE - 1)))
		return -EINVAL;
	memcpy(ret_name, path + len - (TUS_NAME_SIZE - 1), TUS_NAME_SIZE);
	return 0;
}
