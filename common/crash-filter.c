// SPDX-License-Identifier: MIT
/*
 * Which crashes are meant.  Pure: words in, yes or no out.
 *
 * The words come from the operator, or from anybody over HTTP; what they are compared with is the
 * victim's.  Patterns are bounded, so that comparing is.
 */
#include "crash-filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "parse.h"
#include "text.h"

#define YEAR_US	    (366ULL * 86400 * 1000000)
#define STARS_MAX   8	 /* each one lets fnmatch(3) try again from every place behind it */
#define SUBJECT_MAX 4096 /* a path */

/* Two digits within bounds, or -1. */
static int two_digits(const char *text, int low, int high)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	int value = (text[0] - '0') * 10 + (text[1] - '0');
	return value >= low && value <= high ? value : -1;
}

/* "Z", "+01:00" or "-0100": seconds east of UTC. -EINVAL */
static int parse_zone(const char *text, int *ret_seconds)
{
	int hours, minutes;

	if (strcmp(text, "Z") == 0) {
		*ret_seconds = 0;
		return 0;
	}
	if (text[0] != '+' && text[0] != '-')
		return -EINVAL;
	hours = two_digits(text + 1, 0, 23);
	if (hours < 0)
		return -EINVAL;
	const char *rest = text + 3 + (text[3] == ':');
	minutes = two_digits(rest, 0, 59);
	if (minutes < 0 || rest[2] != '\0')
		return -EINVAL;
	*ret_seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
	return 0;
}

/* "HH:MM:SS", and then a fraction or nothing; what is behind is left at *ret_rest. */
static int parse_clock(const char *text, struct tm *tm, uint64_t *ret_us, const char **ret_rest)
{
	uint64_t us = 0, digit_us = 100000;

	tm->tm_hour = two_digits(text, 0, 23);
	if (tm->tm_hour < 0 || text[2] != ':')
		return -EINVAL;
	tm->tm_min = two_digits(text + 3, 0, 59);
	if (tm->tm_min < 0 || text[5] != ':')
		return -EINVAL;
	tm->tm_sec = two_digits(text + 6, 0, 60);
	if (tm->tm_sec < 0)
		return -EINVAL;
	const char *p = text + 8;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++, digit_us /= 10)
			us += (uint64_t)(*p - '0') * digit_us;
		if (p[-1] == '.')
			return -EINVAL;
	}
	*ret_us = us;
	*ret_rest = p;
	return 0;
}

/* RFC 3339, with a zone or (local time) without, or a date alone. */
static int parse_date(const char *text, uint64_t *ret_time_us)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *rest = text + 10;
	uint64_t us = 0;
	int zone = 0;

	for (int i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9')
			return -EINVAL;
	tm.tm_year = two_digits(text, 0, 99) * 100 + two_digits(text + 2, 0, 99) - 1900;
	tm.tm_mon = two_digits(text + 5, 1, 12) - 1;
	tm.tm_mday = two_digits(text + 8, 1, 31);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mday < 0)
		return -EINVAL;
	int day = tm.tm_mday, month = tm.tm_mon;
	if (*rest == 'T' || *rest == ' ') {
		if (parse_clock(rest + 1, &tm, &us, &rest) < 0)
			return -EINVAL;
	}
	bool is_local = *rest == '\0';
	if (!is_local && parse_zone(rest, &zone) < 0)
		return -EINVAL;
	time_t seconds = is_local ? mktime(&tm) : timegm(&tm);
	/* The 31st of February is another day then. */
	if (seconds < 0 || tm.tm_mday != day || tm.tm_mon != month || seconds - zone < 0)
		return -EINVAL;
	*ret_time_us = (uint64_t)(seconds - zone) * 1000000 + us;
	return 0;
}

/*
 * Reads a time: "2026-11-21T02:37:53.5Z" (or "+01:00"; without a zone it is local time),
 * "2026-11-21", "@SECONDS" since 1970, or how long ago: "30s", "10min", "2h".  -EINVAL: neither.
 */
int crash_filter_parse_time(const char *text, uint64_t now_us, uint64_t *ret_time_us)
{
	uint64_t value;

	if (text[0] == '@') {
		if (parse_u64(text + 1, UINT32_MAX, &value) < 0)
			return -EINVAL;
		*ret_time_us = value * 1000000;
		return 0;
	}
	if (strnlen(text, 10) == 10 && text[4] == '-')
		return parse_date(text, ret_time_us);
	/* A number alone might be a year, too. */
	if (text[strspn(text, "0123456789")] == '\0' || parse_duration_ms(text, &value) < 0 ||
	    value > 100 * YEAR_US / 1000)
		return -EINVAL;
	*ret_time_us = now_us > value * 1000 ? now_us - value * 1000 : 0;
	return 0;
}

/* Reads "11", "SEGV" or "SIGSEGV". -EINVAL: there is no such signal. */
int crash_filter_parse_signal(const char *text, uint32_t *ret_signal)
{
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t number;

	if (parse_u64(text, 127, &number) == 0) {
		*ret_signal = (uint32_t)number;
		return 0;
	}
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcmp(known, name) == 0) {
			*ret_signal = (uint32_t)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_pattern(char *field, const char *value, char why[CRASH_FILTER_WHY_SIZE])
{
	unsigned stars = 0;

	for (const char *p = value; *p; p++)
		stars += *p == '*';
	if (*value == '\0' || strlen(value) >= CRASH_FILTER_TEXT_MAX || stars > STARS_MAX) {
		snprintf(why, CRASH_FILTER_WHY_SIZE,
			 "wants a name or a pattern of up to %d bytes with up to %d stars",
			 CRASH_FILTER_TEXT_MAX - 1, STARS_MAX);
		return -EINVAL;
	}
	snprintf(field, CRASH_FILTER_TEXT_MAX, "%s", value);
	return 0;
}

static int set_number(const char *value, bool *ret_has, uint32_t *ret_number)
{
	uint64_t number;

	if (parse_u64(value, UINT32_MAX, &number) < 0)
		return -EINVAL;
	*ret_has = true;
	*ret_number = (uint32_t)number;
	return 0;
}

/*
 * Takes "since", "until", "pid", "signal", "exe" or "container".  -ENOKEY: another key; -EINVAL:
 * `why` tells what the value has to be, and nothing was changed.
 */
int crash_filter_set(struct crash_filter *f, const char *key, const char *value, uint64_t now_us,
		     char why[CRASH_FILTER_WHY_SIZE])
{
	if (strcmp(key, "exe") == 0)
		return set_pattern(f->exe, value, why);
	if (strcmp(key, "container") == 0)
		return set_pattern(f->container, value, why);
	if (strcmp(key, "pid") == 0) {
		snprintf(why, CRASH_FILTER_WHY_SIZE, "wants a number");
		return set_number(value, &f->has_pid, &f->pid);
	}
	if (strcmp(key, "signal") == 0) {
		snprintf(why, CRASH_FILTER_WHY_SIZE, "wants a signal such as SEGV or 11");
		f->has_signal = f->has_signal || crash_filter_parse_signal(value, &f->signal) == 0;
		return crash_filter_parse_signal(value, &f->signal);
	}
	if (strcmp(key, "since") != 0 && strcmp(key, "until") != 0)
		return -ENOKEY;
	snprintf(why, CRASH_FILTER_WHY_SIZE,
		 "wants a time such as 2026-11-21T02:37:53Z, @1795228673, or 10min (ago)");
	return crash_filter_parse_time(value, now_us, key[0] == 's' ? &f->since_us : &f->until_us);
}

/* A pattern with a slash is of the whole path, else of its last part. */
static bool exe_matches(const char *pattern, const char *exe)
{
	if (!exe || strnlen(exe, SUBJECT_MAX) == SUBJECT_MAX)
		return false;
	return fnmatch(pattern, strchr(pattern, '/') ? exe : text_basename(exe), 0) == 0;
}

/* The name, or the beginning of the id. */
static bool container_matches(const char *pattern, const struct crash_summary *c)
{
	return (c->container_name && strnlen(c->container_name, SUBJECT_MAX) < SUBJECT_MAX &&
		fnmatch(pattern, c->container_name, 0) == 0) ||
	       (c->container_id && strncmp(c->container_id, pattern, strlen(pattern)) == 0);
}

/* True if the crash is one of those that are meant. */
bool crash_filter_matches(const struct crash_filter *f, const struct crash_summary *c)
{
	return c->time_us >= f->since_us && (f->until_us == 0 || c->time_us <= f->until_us) &&
	       (!f->has_pid || c->pid == f->pid) && (!f->has_signal || c->signal == f->signal) &&
	       (!f->exe[0] || exe_matches(f->exe, c->exe)) &&
	       (!f->container[0] || container_matches(f->container, c));
}
