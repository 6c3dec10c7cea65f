// SPDX-License-Identifier: MIT
/*
 * Numbers, times and other people's bytes, as a person reads them on a terminal.
 *
 * The bytes are the victim's, always: what comes out of here never holds a line end, an escape
 * sequence, or anything else that a terminal acts upon.
 */
#include "show.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fd.h"
#include "text.h"

/* "0B", "17K", "1.2G": powers of 1024, two digits where there would be one. */
void show_size(uint64_t bytes, char text[SHOW_SIZE_SIZE])
{
	static const char units[] = "BKMGTPE";
	unsigned unit = 0;
	uint64_t tenths = 0, value = bytes;

	for (; value >= 1024; unit++) {
		tenths = value % 1024 * 10 / 1024;
		value /= 1024;
	}
	if (unit > 0 && value < 10)
		snprintf(text, SHOW_SIZE_SIZE, "%u.%u%c", (unsigned)value, (unsigned)tenths,
			 units[unit]);
	else
		snprintf(text, SHOW_SIZE_SIZE, "%u%c", (unsigned)value, units[unit]);
}

/* "2026-11-21T03:37:53+01:00" of µs since 1970; "?" for a time that is no date. See: RFC 3339. */
void show_local_time(uint64_t time_us, char text[SHOW_TIME_SIZE])
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	size_t n = 0;

	if (localtime_r(&seconds, &tm) && tm.tm_year + 1900 <= 9999)
		n = strftime(text, SHOW_TIME_SIZE - 1, "%Y-%m-%dT%H:%M:%S%z", &tm);
	if (n < 5) {
		snprintf(text, SHOW_TIME_SIZE, "?");
		return;
	}
	/* strftime(3) writes the zone as +0100. */
	memmove(text + n - 1, text + n - 2, 3);
	text[n - 2] = ':';
}

/* Someone else's bytes, made printable, or `instead` where there are none. Free it; NULL: no
 * memory. */
char *show_text(const char *bytes, const char *instead)
{
	return bytes && *bytes ? text_escape(bytes, strlen(bytes)) : strdup(instead);
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

/* How wide printable text is, taking one column for each character. */
size_t show_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += starts_character(*text);
	return columns;
}

/*
 * As show_text(), but at most `columns` (4 or more) wide: of a longer one, a path for instance, the
 * end is shown, behind "...".
 */
char *show_tail(const char *bytes, size_t columns, const char *instead)
{
	cleanup_free char *whole = show_text(bytes, instead);
	size_t width = whole ? show_columns(whole) : 0;
	char *tail;

	if (width <= columns)
		return ptr_steal(&whole);
	const char *p = whole;
	for (; width > columns - 3; width--)
		do
			p++;
		while (!starts_character(*p));
	return asprintf(&tail, "...%s", p) < 0 ? NULL : tail;
}

/* Prints JSON on stdout, in ASCII only, so that no text in it can act on a terminal. 0 or -EIO. */
int show_json(const json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
		return -EIO;
	putchar('\n');
	return 0;
}
