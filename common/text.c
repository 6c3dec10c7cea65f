// SPDX-License-Identifier: MIT
/*
 * Bytes that someone else chose, made fit for a record, a terminal, a log or an HTTP header, and
 * back.  Pure.
 *
 * The input is the attacker's, always: names with line ends, terminal escapes, quotes, invalid
 * UTF-8.
 */
#include "text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

static const char hex_digits[] = "0123456789abcdef";

/* The length of the UTF-8 sequence at s (RFC 3629: shortest form, no surrogates), or 0: none there.
 */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	uint32_t c;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2, c = s[0] & 0x1fU;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3, c = s[0] & 0x0fU;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4, c = s[0] & 0x07U;
	else
		return 0;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	if (n == 4 && (c < 0x10000 || c > 0x10ffff))
		return 0;
	/* C1 controls, line and paragraph separators, and what turns the direction of the text
	   (U+202A-E, U+2066-9: "Trojan Source") would act on a reader's terminal. */
	if (c < 0xa0 || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

/*
 * Text for people and for JSON: printable ASCII and UTF-8 stay, every other byte, and the
 * backslash, becomes \xNN.  So it can be printed anywhere, and text_unescape() gives the bytes
 * back. Returns a new string (free it), or NULL: no memory.
 */
char *text_escape(const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *)bytes;
	char *out = malloc(len * 4 + 1);
	size_t o = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(s + i, len - i);

		if (n == 0 || s[i] < 0x20 || s[i] == 0x7f || s[i] == '\\') {
			out[o++] = '\\';
			out[o++] = 'x';
			out[o++] = hex_digits[s[i] >> 4];
			out[o++] = hex_digits[s[i] & 15];
			i++;
			continue;
		}
		memcpy(out + o, s + i, n);
		o += n;
		i += n;
	}
	out[o] = '\0';
	return out;
}

static int hex_value(char c)
{
	const char *p = c ? strchr(hex_digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

	return p ? (int)(p - hex_digits) : -1;
}

/*
 * The bytes of which text_escape() made the text; a backslash that starts no \xNN stays as it is.
 * NUL-terminated (free it); NULL: no memory.  ret_len may be NULL.
 */
char *text_unescape(const char *text, size_t *ret_len)
{
	char *out = malloc(strlen(text) + 1);
	size_t o = 0;

	if (!out)
		return NULL;
	while (*text) {
		int high = text[0] == '\\' && text[1] == 'x' ? hex_value(text[2]) : -1;
		int low = high < 0 ? -1 : hex_value(text[3]);

		if (low >= 0) {
			out[o++] = (char)(high << 4 | low);
			text += 4;
		} else {
			out[o++] = *text++;
		}
	}
	out[o] = '\0';
	if (ret_len)
		*ret_len = o;
	return out;
}

/*
 * A value for an HTTP header: visible ASCII stays, but for '%'; all else becomes %NN.  So a plain
 * path is itself, and no line end or space can leave the header.  Returns a new string, or NULL.
 */
char *text_percent_encode(const char *bytes, size_t len)
{
	char *out = malloc(len * 3 + 1);
	size_t o = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c > 0x20 && c < 0x7f && c != '%') {
			out[o++] = (char)c;
		} else {
			out[o++] = '%';
			out[o++] = hex_digits[c >> 4];
			out[o++] = hex_digits[c & 15];
		}
	}
	out[o] = '\0';
	return out;
}

/*
 * The bytes of which text_percent_encode() made the text.  -EINVAL where a '%' has not two
 * hexadecimal digits, or stands for NUL; -ENOMEM.  ret_len may be NULL.
 */
int text_percent_decode(const char *text, char **ret_bytes, size_t *ret_len)
{
	cleanup_free char *out = malloc(strlen(text) + 1);
	size_t o = 0;

	if (!out)
		return -ENOMEM;
	while (*text) {
		if (*text != '%') {
			out[o++] = *text++;
			continue;
		}
		int high = hex_value(text[1]);
		int low = high < 0 ? -1 : hex_value(text[2]);

		if (low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		out[o++] = (char)(high << 4 | low);
		text += 3;
	}
	out[o] = '\0';
	if (ret_len)
		*ret_len = o;
	*ret_bytes = ptr_steal(&out);
	return 0;
}

/* What stands behind the last slash of path: a part of path, not a copy. */
const char *text_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
