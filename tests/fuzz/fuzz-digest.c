// SPDX-License-Identifier: MIT
/*
 * common/digest.c: the value of a Repr-Digest header, which an HTTP peer sent.
 *
 * What is taken is 32 bytes: 64 hexadecimal digits, whose own header holds the very base64 that
 * stood in the input.  What is refused leaves the result as it was.
 */
#include "digest.h"

#include <errno.h>
#include <strings.h>

#include "fuzz.h"

#define HEX_DIGITS "0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	char hex[DIGEST_HEX_SIZE] = "untouched", again[DIGEST_HEX_SIZE];
	char header[DIGEST_HEADER_SIZE] = "";

	int r = digest_header_to_hex(text, hex);
	if (r == 0) {
		assert(strspn(hex, HEX_DIGITS) == DIGEST_HEX_SIZE - 1 && strlen(hex) == 64);
		assert(digest_hex_to_header(hex, header) == 0);
		assert(strstr(text, strchr(header, ':')));
		assert(digest_header_to_hex(header, again) == 0 && strcmp(again, hex) == 0);
	} else {
		assert((r == -ENOENT || r == -EINVAL) && strcmp(hex, "untouched") == 0);
	}

	/* The other way: the digits of a record. */
	r = digest_hex_to_header(text, header);
	assert((r == 0) == (strlen(text) == 64 && strspn(text, HEX_DIGITS "ABCDEF") == 64));
	if (r == 0)
		assert(digest_header_to_hex(header, again) == 0 && strcasecmp(again, text) == 0);
	return 0;
}
