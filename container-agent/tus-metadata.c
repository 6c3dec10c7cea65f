// SPDX-License-Identifier: MIT
/*
 * What a tus upload is: Upload-Metadata.
 *
 * The values are the victim's in part: they are percent-encoded as in the headers of a PUT, and
 * then base64, as tus wants.
 */
#include "tus-metadata.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core-headers.h"
#include "fd.h"
#include "text.h"

#define VALUE_MAX 1024 /* servers take some 16 KiB of headers in all */

static int put_pair(FILE *f, const char *separator, const char *key, const char *value)
{
	size_t len = strlen(value);
	cleanup_free char *encoded = malloc(BASE64_ENCODE_RAW_LENGTH(len) + 1);

	if (!encoded)
		return -ENOMEM;
	base64_encode_raw(encoded, len, (const uint8_t *)value);
	encoded[BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
	return fprintf(f, "%s%s %s", separator, key, encoded) < 0 ? -ENOMEM : 0;
}

/* The headers of a PUT, under their names in lower case, with the same values. */
static int put_core_headers(FILE *f)
{
	char key[64];

	for (int i = 0; i < CORE_HEADER_COUNT; i++) {
		const char *value = getenv(core_headers[i].variable);
		size_t n = 0;

		if (!value || !*value)
			continue;
		cleanup_free char *encoded = text_percent_encode(value, strlen(value));
		if (!encoded)
			return -ENOMEM;
		if (strlen(encoded) > VALUE_MAX)
			continue;
		for (const char *c = core_headers[i].name; *c && n < sizeof(key) - 1; c++)
			key[n++] = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
		key[n] = '\0';
		if (put_pair(f, ",", key, encoded) < 0)
			return -ENOMEM;
	}
	return 0;
}

/*
 * The value of Upload-Metadata for the core of crash `id` (free it): pairs of a key and base64.  0
 * or -ENOMEM.
 */
int tus_metadata_make(const char *id, const struct source *source, char **ret_text)
{
	cleanup_free char *text = NULL;
	cleanup_free char *name = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r = f && asprintf(&name, "%s%s", id, source->suffix) >= 0 ? 0 : -ENOMEM;

	if (r == 0)
		r = put_pair(f, "", "filename", name);
	if (r == 0)
		r = put_pair(f, ",", "filetype", source->content_type);
	if (r == 0 && *source->sha256)
		r = put_pair(f, ",", "sha256", source->sha256);
	if (r == 0)
		r = put_core_headers(f);
	if (f && fclose(f) != 0)
		r = -ENOMEM;
	if (r == 0)
		*ret_text = ptr_steal(&text);
	return r;
}
