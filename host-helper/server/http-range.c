// SPDX-License-Identifier: MIT
/*
 * Headers of a request that choose a part or a form of what is asked for.  Pure.
 *
 * The values are the peer's.  See: RFC 9110, 12.5.3, 13.1 and 14.
 */
#include "http-range.h"

#include <string.h>
#include <strings.h>

static bool parse_number(const char **text, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		/* More than there can ever be, whatever the number. */
		if (value > (UINT64_MAX - 9) / 10)
			value = UINT64_MAX / 10 - 1;
		value = value * 10 + (uint64_t)(*p - '0');
	}
	*text = p;
	*ret_value = value;
	return true;
}

/*
 * Reads the header Range (NULL: there is none) of something of `size` bytes.  More than one range,
 * or another unit than bytes: then the whole is sent, as the RFC allows.
 */
enum http_range http_range_parse(const char *value, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_last)
{
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;

	if (!value || strncasecmp(value, "bytes=", 6) != 0)
		return HTTP_RANGE_NONE;
	const char *p = value + 6;
	has_first = parse_number(&p, &first);
	if (*p++ != '-')
		return HTTP_RANGE_MALFORMED;
	has_last = parse_number(&p, &last);
	if (*p == ',' && (has_first || has_last))
		return HTTP_RANGE_NONE;
	if (*p != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
		return HTTP_RANGE_MALFORMED;
	if (!has_first) {
		/* The last so many. */
		if (last == 0 || size == 0)
			return HTTP_RANGE_UNSATISFIABLE;
		first = last < size ? size - last : 0;
		last = size - 1;
	}
	if (first >= size)
		return HTTP_RANGE_UNSATISFIABLE;
	*ret_first = first;
	*ret_last = last < size ? last : size - 1;
	return HTTP_RANGE_PART;
}

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

/* True if the list of If-None-Match, or the tag of If-Range, holds etag (with its quotes), or is
 * "*".  Weak tags are equal to their strong ones, as for If-None-Match. */
bool http_etag_matches(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	if (!list)
		return false;
	for (const char *p = skip_space(list); *p; p = skip_space(p)) {
		if (*p == '*')
			return true;
		if (strncmp(p, "W/", 2) == 0)
			p += 2;
		if (*p != '"')
			return false;
		size_t tag = 1 + strcspn(p + 1, "\"");
		if (p[tag] != '"')
			return false;
		bool same = ++tag == len && memcmp(p, etag, len) == 0;
		p = skip_space(p + tag);
		if (*p != ',' && *p != '\0')
			return false;
		if (same)
			return true;
		p += *p == ',';
	}
	return false;
}

/* ";q=0", ";q=0.00": it is not wanted. */
static bool is_refused(const char *parameters, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++) {
		if ((parameters[i] != 'q' && parameters[i] != 'Q') || parameters[i + 1] != '=')
			continue;
		for (i += 2; i < len && (parameters[i] == '0' || parameters[i] == '.'); i++)
			;
		return i == len || parameters[i] == ' ' || parameters[i] == '\t';
	}
	return false;
}

/* True if Accept-Encoding (NULL: there is none) names the coding and does not refuse it.  "*" is
 * not taken for it: clients that say so cannot all unpack it. */
bool http_accepts(const char *accept_encoding, const char *coding)
{
	size_t len = strlen(coding);

	for (const char *p = accept_encoding; p && *p;) {
		p = skip_space(p);
		size_t item = strcspn(p, ",");
		size_t name = strcspn(p, ",; \t");

		if (name == len && strncasecmp(p, coding, len) == 0)
			return !is_refused(p + name, item - name);
		p += item + (p[item] == ',');
	}
	return false;
}
