// SPDX-License-Identifier: MIT
/*
 * The name of a crash: 20261121T023753.123456Z-4166-9f3c.  Pure.
 *
 * crash_id_is_valid() and crash_id_parse() take names from anywhere: directories, URLs, arguments.
 */
#include "crash-id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int broken_down(uint64_t time_us, struct tm *tm)
{
	time_t seconds = (time_t)(time_us / 1000000);

	if (!gmtime_r(&seconds, tm) || tm->tm_year + 1900 > 9999)
		return -ERANGE;
	return 0;
}

/* Makes the name from µs since 1970 (UTC), the pid in the host's namespace and 16 random bits. */
int crash_id_format(uint64_t time_us, uint32_t pid, uint16_t random, char id[CRASH_ID_SIZE])
{
	struct tm tm;
	int r = broken_down(time_us, &tm);

	if (r < 0)
		return r;
	snprintf(id, CRASH_ID_SIZE, "%04u%02u%02uT%02u%02u%02u.%06uZ-%u-%04x",
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100, (unsigned)(time_us % 1000000), pid, random);
	return 0;
}

/* True for exactly what crash_id_format() writes. */
bool crash_id_is_valid(const char *id)
{
	static const char shape[] = "00000000T000000.000000Z-";
	size_t i = 0, digits = 0;

	for (; shape[i]; i++)
		if (shape[i] == '0' ? id[i] < '0' || id[i] > '9' : id[i] != shape[i])
			return false;
	for (; id[i] >= '0' && id[i] <= '9'; i++)
		digits++;
	if (digits < 1 || digits > 10 || id[i] != '-')
		return false;
	i++;
	return strspn(id + i, "0123456789abcdef") == 4 && id[i + 4] == '\0';
}

/* The time (µs since 1970) and the pid that a name was made of. 0, or -EINVAL: no such name. */
int crash_id_parse(const char *id, uint64_t *ret_time_us, uint32_t *ret_pid)
{
	unsigned us, pid, random;
	struct tm tm = { 0 };
	char again[CRASH_ID_SIZE];

	/* The shape is checked, so there is a number of bounded length for each. */
	if (!crash_id_is_valid(id) ||
	    sscanf(id, "%4d%2d%2dT%2d%2d%2d.%6uZ-%u-%4x", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &us, &pid, &random) != 9)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	time_t seconds = timegm(&tm);
	uint64_t time_us = (uint64_t)seconds * 1000000 + us;
	/* Neither the 31st of February nor a pid with zeros before it, or too large. */
	if (seconds < 0 || crash_id_format(time_us, pid, (uint16_t)random, again) < 0 ||
	    strcmp(again, id) != 0)
		return -EINVAL;
	*ret_time_us = time_us;
	*ret_pid = pid;
	return 0;
}

/* "2026-11-21T02:37:53.123456Z" (RFC 3339) of µs since 1970. 0 or -ERANGE. */
int crash_time_format(uint64_t time_us, char text[32])
{
	struct tm tm;
	int r = broken_down(time_us, &tm);

	if (r < 0)
		return r;
	size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, 32 - n, ".%06uZ", (unsigned)(time_us % 1000000));
	return 0;
}
