// SPDX-License-Identifier: MIT
/*
 * The values of coreferry.conf.  Pure.
 *
 * The text is the operator's.  One setter per kind of value: each leaves the field as it was when
 * it fails, and then error tells what is wanted.
 */
#include "config-values.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fd.h"
#include "parse.h"

#define DURATION_MS_MAX (365ULL * 24 * 3600 * 1000) /* in µs it fits all sums */

/* A char *: any text. */
int config_set_string(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	char **string = field;
	char *copy = strdup(value);

	(void)error;
	if (!copy)
		return -ENOMEM;
	free(*string);
	*string = copy;
	return 0;
}

/* A char *: an absolute path. */
int config_set_path(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (value[0] != '/') {
		snprintf(error, CONFIG_ERROR_SIZE, "wants an absolute path");
		return -EINVAL;
	}
	return config_set_string(field, value, error);
}

/* A bool. */
int config_set_bool(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (parse_bool(value, field) == 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants yes or no");
	return -EINVAL;
}

/* A uint64_t: milliseconds. */
int config_set_duration(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	uint64_t ms;

	if (parse_duration_ms(value, &ms) < 0 || ms > DURATION_MS_MAX) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "wants a time such as 500ms, 30s, 10min or 2h, of at most 8760h");
		return -EINVAL;
	}
	*(uint64_t *)field = ms;
	return 0;
}

/* A uint64_t: bytes. */
int config_set_size(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (parse_size(value, field) == 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants a size such as 512, 64K, 100M or 4G");
	return -EINVAL;
}

/* A uint32_t. */
int config_set_count(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	uint64_t count;

	if (parse_u64(value, UINT32_MAX, &count) < 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "wants a number of at most %u", UINT32_MAX);
		return -EINVAL;
	}
	*(uint32_t *)field = (uint32_t)count;
	return 0;
}

/* A uint32_t of at most CONFIG_SLOTS_MAX. */
int config_set_slots(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	uint64_t count;

	if (parse_u64(value, CONFIG_SLOTS_MAX, &count) < 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "wants a number of at most %d",
			 CONFIG_SLOTS_MAX);
		return -EINVAL;
	}
	*(uint32_t *)field = (uint32_t)count;
	return 0;
}

/* A struct config_share. */
int config_set_share(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	struct config_share share = { 0 };
	char digits[sizeof("100")];
	size_t len = strlen(value);
	int r = -EINVAL;

	if (len > 0 && value[len - 1] == '%') {
		uint64_t percent = 0;

		if (len <= sizeof(digits)) {
			snprintf(digits, sizeof(digits), "%.*s", (int)len - 1, value);
			r = parse_u64(digits, 100, &percent);
		}
		share.percent = (uint32_t)percent;
	} else {
		r = parse_size(value, &share.bytes);
	}
	if (r < 0) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "wants a size such as 100M or 4G, or a part of the disk such as 20%%");
		return -EINVAL;
	}
	*(struct config_share *)field = share;
	return 0;
}

/* A struct config_rate. */
int config_set_rate(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	struct config_rate rate = { 0 };
	const char *slash = strchr(value, '/');
	char digits[sizeof("4294967295")];
	uint64_t count = 0;
	int r = -EINVAL;

	if (slash && slash - value < (ptrdiff_t)sizeof(digits)) {
		snprintf(digits, sizeof(digits), "%.*s", (int)(slash - value), value);
		r = parse_u64(digits, UINT32_MAX, &count);
		/* None in a time, or so many in no time: neither says what is wanted. */
		if (r == 0 && (parse_duration_ms(slash + 1, &rate.window_ms) < 0 || count == 0 ||
			       rate.window_ms == 0 || rate.window_ms > DURATION_MS_MAX))
			r = -EINVAL;
		rate.count = (uint32_t)count;
	} else if (strcmp(value, "0") == 0 || strcmp(value, "none") == 0) {
		r = 0;
	}
	if (r < 0) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "wants a number in a time, such as 20/1min, or none");
		return -EINVAL;
	}
	*(struct config_rate *)field = rate;
	return 0;
}

/* An enum config_hold. */
int config_set_hold(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	static const char *const words[] = { "init", "always", "never" };

	for (int i = 0; i < 3; i++)
		if (strcmp(value, words[i]) == 0) {
			*(enum config_hold *)field = (enum config_hold)i;
			return 0;
		}
	snprintf(error, CONFIG_ERROR_SIZE, "wants init, always or never");
	return -EINVAL;
}

/* Frees them, and empties the array. */
void config_patterns_release(char **patterns)
{
	for (; *patterns; patterns++) {
		free(*patterns);
		*patterns = NULL;
	}
}

/* A char *[CONFIG_PATTERN_MAX + 1]. */
int config_set_patterns(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	cleanup_free char *copy = strdup(value);
	char *patterns[CONFIG_PATTERN_MAX + 1] = { NULL }, *save = NULL;
	size_t count = 0;
	int r = copy ? 0 : -ENOMEM;

	for (char *p = copy ? strtok_r(copy, " \t", &save) : NULL; p && r == 0;
	     p = strtok_r(NULL, " \t", &save)) {
		if (count == CONFIG_PATTERN_MAX) {
			snprintf(error, CONFIG_ERROR_SIZE, "takes at most %d patterns",
				 CONFIG_PATTERN_MAX);
			r = -EINVAL;
		} else if (!(patterns[count++] = strdup(p))) {
			r = -ENOMEM;
		}
	}
	if (r < 0) {
		config_patterns_release(patterns);
		return r;
	}
	config_patterns_release(field);
	memcpy(field, patterns, sizeof(patterns));
	return 0;
}

/* The part behind a scheme that needs a host or a bucket. */
static bool has_authority(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncasecmp(url, scheme, len) == 0 && url[len] != '\0' && url[len] != '/';
}

/* A char *: a URL to push below, of a scheme that the agent has. */
int config_set_url(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	size_t len = strlen(value);
	bool is_good =
		len <= CONFIG_URL_MAX &&
		(has_authority(value, "http://") || has_authority(value, "https://") ||
		 has_authority(value, "s3://") || strncasecmp(value, "http+unix://", 12) == 0 ||
		 has_authority(value, "file:") || strncasecmp(value, "file:/", 6) == 0);

	for (size_t i = 0; i < len; i++)
		is_good = is_good && value[i] > 0x20 && value[i] < 0x7f;
	if (!is_good) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "wants a URL without spaces or control characters: http://HOST/..., "
			 "https://HOST/..., http+unix://..., s3://BUCKET/... or file:PATH");
		return -EINVAL;
	}
	return config_set_string(field, value, error);
}

/* An enum config_encoding. */
int config_set_encoding(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (strcmp(value, "zstd") == 0) {
		*(enum config_encoding *)field = CONFIG_ENCODING_ZSTD;
		return 0;
	}
	if (strcmp(value, "identity") == 0) {
		*(enum config_encoding *)field = CONFIG_ENCODING_IDENTITY;
		return 0;
	}
	snprintf(error, CONFIG_ERROR_SIZE, "wants zstd or identity");
	return -EINVAL;
}

/* "container" or "any" (true). */
int config_set_scope(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (strcmp(value, "container") != 0 && strcmp(value, "any") != 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "wants container or any");
		return -EINVAL;
	}
	*(bool *)field = value[0] == 'a';
	return 0;
}
