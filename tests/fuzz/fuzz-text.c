// SPDX-License-Identifier: MIT
/*
 * common/text.c: any bytes become printable text, and the same bytes again.
 *
 * Escaped text is UTF-8 (by jansson's judgement) that no terminal acts upon; percent-encoded text
 * is visible ASCII.  Of text from elsewhere the decoder refuses what it could not give back.
 */
#include "text.h"

#include <errno.h>
#include <jansson.h>

#include "fuzz.h"

static void check_escape(const char *bytes, size_t size)
{
	cleanup_free char *text = text_escape(bytes, size);
	size_t len;
	cleanup_free char *back = text_unescape(text, &len);
	json_t *json = json_string(text);

	assert(len == size && memcmp(back, bytes, size) == 0);
	assert(json && fuzz_is_printable(text, 4 * size + 1));
	json_decref(json);
}

static void check_percent(const char *bytes, size_t size)
{
	cleanup_free char *text = text_percent_encode(bytes, size);
	cleanup_free char *back = NULL;
	size_t len = SIZE_MAX;

	for (const char *p = text; *p; p++)
		assert(*p > 0x20 && *p < 0x7f);
	/* NUL could not stand in the string that is given back. */
	int r = text_percent_decode(text, &back, &len);
	assert(r == (memchr(bytes, '\0', size) ? -EINVAL : 0));
	assert(r < 0 || (len == size && memcmp(back, bytes, size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	cleanup_free char *unescaped = NULL, *decoded = NULL;
	size_t len = SIZE_MAX;

	check_escape((const char *)data, size);
	check_percent((const char *)data, size);

	unescaped = text_unescape(text, &len);
	assert(len <= strlen(text));
	check_escape(unescaped, len);
	int r = text_percent_decode(text, &decoded, &len);
	assert(r == 0 ? strlen(decoded) == len : r == -EINVAL && !decoded);
	assert(!strchr(text_basename(text), '/'));
	return 0;
}
