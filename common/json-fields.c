// SPDX-License-Identifier: MIT
/*
 * The fields of a record's JSON.  Pure.
 *
 * What is written may be anyone's bytes; what is read may have come over HTTP.  jansson refuses bad
 * UTF-8, duplicate keys and numbers out of range; what it gives is checked by type here.
 */
#include "json-fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crash-id.h"
#include "fd.h"
#include "text.h"

/* Puts a value, which is taken over in any case; NULL: there was no memory for it. 0 or -ENOMEM. */
int json_put(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

/* A number; one that JSON's integers cannot hold as jansson has them (RLIM_INFINITY and the like)
 * is "unlimited". */
int json_put_u64(json_t *object, const char *key, uint64_t value)
{
	return json_put(object, key,
			value > INT64_MAX ? json_string("unlimited")
					  : json_integer((json_int_t)value));
}

/* A number that is left out where it is 0. */
int json_put_positive(json_t *object, const char *key, uint64_t value)
{
	return value == 0 ? 0 : json_put_u64(object, key, value);
}

/* Anyone's bytes, escaped (text_escape()); left out where there are none. */
int json_put_text(json_t *object, const char *key, const char *value)
{
	if (!value || !*value)
		return 0;
	cleanup_free char *escaped = text_escape(value, strlen(value));
	return json_put(object, key, escaped ? json_string(escaped) : NULL);
}

/* A time in µs since 1970, as text; left out where it is 0. */
int json_put_time(json_t *object, const char *key, uint64_t time_us)
{
	char text[32];

	if (time_us == 0 || crash_time_format(time_us, text) < 0)
		return 0;
	return json_put(object, key, json_string(text));
}

/*
 * A text's bytes, in place of *field.  One that is missing, or of another type, is "not known":
 * newer and older records stay readable.  0 or -ENOMEM.
 */
int json_get_text(const json_t *object, const char *key, char **field)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text)
		return 0;
	char *bytes = text_unescape(text, NULL);
	if (!bytes)
		return -ENOMEM;
	free(*field);
	*field = bytes;
	return 0;
}

/* A number; 0 where there is none. */
uint64_t json_get_u64(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return strcmp(json_string_value(value), "unlimited") == 0 ? UINT64_MAX : 0;
	return json_is_integer(value) && json_integer_value(value) >= 0
		       ? (uint64_t)json_integer_value(value)
		       : 0;
}

/* The same; 0 where it is larger. */
uint32_t json_get_u32(const json_t *object, const char *key)
{
	uint64_t value = json_get_u64(object, key);

	return value <= UINT32_MAX ? (uint32_t)value : 0;
}
