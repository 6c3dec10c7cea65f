// SPDX-License-Identifier: MIT
/*
 * What an upload says of its core: the path and the headers, read into a record.  Pure.
 *
 * All of it is the peer's.  Only a checked crash id may name anything afterwards; the rest is text
 * for the record.
 */
#include "receive-headers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "fd.h"
#include "parse.h"
#include "text.h"

#define SUFFIX_RAW   ".core"
#define SUFFIX_ZST   ".core.zst"
#define SEEN_DIGEST  (1U << CORE_HEADER_COUNT)
#define SIGNAL_MAX   127
#define CONTAINER_ID 64 /* hexadecimal digits of a Docker-like id */

/*
 * The crash's id in "/ANYTHING/ID.core.zst" (*ret_zst) or "/ANYTHING/ID.core".
 * -EINVAL: the last segment is something else.
 */
int receive_path_to_id(const char *path, char ret_id[CRASH_ID_SIZE], bool *ret_zst)
{
	const char *name = text_basename(path);
	char id[CRASH_ID_SIZE];
	size_t len = strlen(name), zst = strlen(SUFFIX_ZST), raw = strlen(SUFFIX_RAW);
	bool is_zst = len > zst && strcmp(name + len - zst, SUFFIX_ZST) == 0;

	if (path[0] != '/')
		return -EINVAL;
	if (!is_zst && !(len > raw && strcmp(name + len - raw, SUFFIX_RAW) == 0))
		return -EINVAL;
	len -= is_zst ? zst : raw;
	if (len >= sizeof(id))
		return -EINVAL;
	memcpy(id, name, len);
	id[len] = '\0';
	if (!crash_id_is_valid(id))
		return -EINVAL;
	memcpy(ret_id, id, sizeof(id));
	*ret_zst = is_zst;
	return 0;
}

/* Two or four digits at *p as a number; -1: they are something else. Moves *p behind them. */
static int digits(const char **p, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static int take(const char **p, char expected)
{
	return **p == expected ? (void)(*p)++, 0 : -1;
}

/*
 * Reads "2026-11-21T02:37:53Z", with up to 9 digits of a fraction, into µs since 1970: RFC 3339 in
 * UTC only.  -EINVAL: something else, or a day that there is not.
 */
int receive_parse_time(const char *text, uint64_t *ret_time_us)
{
	const char *p = text;
	struct tm tm = { 0 };
	uint64_t fraction_us = 0, unit = 100000;

	tm.tm_year = digits(&p, 4) - 1900;
	if (take(&p, '-') < 0 || (tm.tm_mon = digits(&p, 2) - 1) < 0 || take(&p, '-') < 0 ||
	    (tm.tm_mday = digits(&p, 2)) < 1 || take(&p, 'T') < 0 ||
	    (tm.tm_hour = digits(&p, 2)) < 0 || take(&p, ':') < 0 ||
	    (tm.tm_min = digits(&p, 2)) < 0 || take(&p, ':') < 0 || (tm.tm_sec = digits(&p, 2)) < 0)
		return -EINVAL;
	if (*p == '.') {
		const char *start = ++p;

		for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
			fraction_us += (uint64_t)(*p - '0') * unit;
		if (p == start || p - start > 9)
			return -EINVAL;
	}
	if (strcmp(p, "Z") != 0 || tm.tm_year < 70 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 59)
		return -EINVAL;

	/* timegm(3) makes a March day of February 30th. */
	const struct tm asked = tm;
	time_t seconds = timegm(&tm);
	if (seconds < 0 || tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
		return -EINVAL;
	*ret_time_us = (uint64_t)seconds * 1000000 + fraction_us;
	return 0;
}

/* "20261121T023753.123456Z-..." is "2026-11-21T02:37:53.123456Z", or no time at all. */
static uint64_t time_of_id(const char *id)
{
	char text[40];
	uint64_t time_us = 0;

	snprintf(text, sizeof(text), "%.4s-%.2s-%.5s:%.2s:%.10s", id, id + 4, id + 6, id + 11,
		 id + 13);
	(void)receive_parse_time(text, &time_us);
	return time_us;
}

/* Starts with what the crash's (checked) id says: itself, and when. 0 or -ENOMEM. */
int receive_headers_init(struct receive_headers *headers, const char *id)
{
	*headers = (struct receive_headers){ 0 };
	crash_init(&headers->crash);
	snprintf(headers->crash.id, sizeof(headers->crash.id), "%s", id);
	headers->crash.time_us = time_of_id(id);
	return crash_set_string(&headers->crash.capture_mode, "received");
}

/* Frees what it owns. */
void receive_headers_release(struct receive_headers *headers)
{
	crash_release(&headers->crash);
}

static int take_hex(const char *value, char ret_hex[DIGEST_HEX_SIZE])
{
	char hex[DIGEST_HEX_SIZE] = "";

	if (strlen(value) != DIGEST_HEX_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < DIGEST_HEX_SIZE - 1; i++) {
		char c = value[i];

		if (c >= 'A' && c <= 'F')
			c = (char)(c + 32);
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return -EINVAL;
		hex[i] = c;
	}
	memcpy(ret_hex, hex, sizeof(hex));
	return 0;
}

static int take_u32(const char *value, uint32_t max, uint32_t *field)
{
	uint64_t number;
	int r = parse_u64(value, max, &number);

	if (r == 0)
		*field = (uint32_t)number;
	return r;
}

static int take_container(struct crash *crash, const char *value)
{
	bool is_id =
		strlen(value) == CONTAINER_ID && strspn(value, "0123456789abcdef") == CONTAINER_ID;

	return crash_set_string(is_id ? &crash->container_id : &crash->container_name, value);
}

static int take_outcome(struct crash *crash, const char *value)
{
	/* The other outcomes have no core. */
	if (strcmp(value, crash_outcome_name(CRASH_STORED)) == 0)
		crash->outcome = CRASH_STORED;
	else if (strcmp(value, crash_outcome_name(CRASH_TRUNCATED)) == 0)
		crash->outcome = CRASH_TRUNCATED;
	else
		return -EINVAL;
	return 0;
}

/* -EINVAL, -ERANGE: not a value for this header; -ENOMEM. */
static int take_value(struct receive_headers *headers, enum core_header header, const char *value)
{
	struct crash *crash = &headers->crash;

	switch (header) {
	case CORE_HEADER_EXE:
		return crash_set_string(&crash->exe, value);
	case CORE_HEADER_COMM:
		return crash_set_string(&crash->comm, value);
	case CORE_HEADER_HOSTNAME:
		return crash_set_string(&crash->hostname, value);
	case CORE_HEADER_CONTAINER:
		return take_container(crash, value);
	case CORE_HEADER_ID:
		return strcmp(value, crash->id) == 0 ? 0 : -EINVAL;
	case CORE_HEADER_PID:
		return take_u32(value, INT32_MAX, &crash->pid);
	case CORE_HEADER_UID:
		return take_u32(value, UINT32_MAX, &crash->uid);
	case CORE_HEADER_GID:
		return take_u32(value, UINT32_MAX, &crash->gid);
	case CORE_HEADER_SIGNAL:
		return take_u32(value, SIGNAL_MAX, &crash->signal);
	case CORE_HEADER_TIMESTAMP:
		return receive_parse_time(value, &crash->time_us);
	case CORE_HEADER_SIZE:
		return parse_u64(value, INT64_MAX, &headers->size);
	case CORE_HEADER_SHA256:
		return take_hex(value, headers->raw_sha256);
	case CORE_HEADER_OUTCOME:
		return take_outcome(crash, value);
	case CORE_HEADER_COUNT:
		break;
	}
	return -EINVAL;
}

static int refuse(char why[RECEIVE_WHY_SIZE], const char *name, const char *what)
{
	snprintf(why, RECEIVE_WHY_SIZE, "%s: %s", name, what);
	return -EINVAL;
}

static int take_digest(struct receive_headers *headers, const char *value,
		       char why[RECEIVE_WHY_SIZE])
{
	/* Other algorithms alone are as good as none: -ENOENT. */
	if (digest_header_to_hex(value, headers->body_sha256) == -EINVAL)
		return refuse(why, CORE_HEADER_REPR_DIGEST, "not a sha-256");
	return 0;
}

/*
 * Takes one header of the request; others than ours are passed over.
 * -EINVAL: then `why` names the header (as we spell it) and the reason; -ENOMEM.
 */
int receive_headers_take(struct receive_headers *headers, const char *name, const char *value,
			 char why[RECEIVE_WHY_SIZE])
{
	cleanup_free char *bytes = NULL;
	bool is_digest = strcasecmp(name, CORE_HEADER_REPR_DIGEST) == 0;
	int header = core_header_find(name);

	if (header < 0 && !is_digest)
		return 0;
	unsigned bit = is_digest ? SEEN_DIGEST : 1U << header;
	const char *own_name = is_digest ? CORE_HEADER_REPR_DIGEST : core_headers[header].name;
	if (headers->seen & bit)
		return refuse(why, own_name, "is there twice");
	headers->seen |= bit;
	if (is_digest)
		return take_digest(headers, value, why);

	int r = text_percent_decode(value, &bytes, NULL);
	if (r == -EINVAL)
		return refuse(why, own_name, "not percent-encoded");
	if (r == 0)
		r = take_value(headers, (enum core_header)header, bytes);
	if (r < 0 && r != -ENOMEM)
		return refuse(why, own_name, "not a value that it can have");
	return r;
}
