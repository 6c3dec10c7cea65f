// SPDX-License-Identifier: MIT
/*
 * The part of a record that a list shows, read in a twentieth of the time: of thousands of records
 * jansson would make millions of pieces of memory.  Pure: text in, fields out.
 *
 * A record's strings are the victim's.  Here only those are taken that are plain: printable ASCII
 * without an escape, which is nearly all.  Whatever is not as our own writer leaves it is -EAGAIN:
 * then crash_from_json(), which knows all of JSON, has the word.
 */
#include "crash-glance.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DEPTH_MAX    16
#define DIGITS_MAX   18 /* what surely fits */
#define JSON_VERSION 1

enum kind { TEXT, U32, U64, BOOLEAN, OBJECT, OUTCOME, DELEGATION, VERSION };

struct field {
	const char *key;
	enum kind kind;
	size_t offset;
	const struct field *fields; /* of an object; ends with key NULL */
};

#define AT(name) offsetof(struct crash, name)

static const struct field container_fields[] = {
	{ "id", TEXT, AT(container_id), NULL },
	{ "name", TEXT, AT(container_name), NULL },
	{ NULL, TEXT, 0, NULL },
};

static const struct field core_fields[] = {
	{ "file", TEXT, AT(core_file), NULL },
	{ "size", U64, AT(core_size), NULL },
	{ NULL, TEXT, 0, NULL },
};

static const struct field delegation_fields[] = {
	{ "status", DELEGATION, AT(delegation), NULL },
	{ NULL, TEXT, 0, NULL },
};

static const struct field fields[] = {
	{ "version", VERSION, 0, NULL },
	{ "time_us", U64, AT(time_us), NULL },
	{ "published_us", U64, AT(published_us), NULL },
	{ "pid", U32, AT(pid), NULL },
	{ "uid", U32, AT(uid), NULL },
	{ "signal", U32, AT(signal), NULL },
	{ "root_only", BOOLEAN, AT(root_only), NULL },
	{ "comm", TEXT, AT(comm), NULL },
	{ "exe", TEXT, AT(exe), NULL },
	{ "outcome", OUTCOME, AT(outcome), NULL },
	{ "core_removed", TEXT, AT(core_removed), NULL },
	{ "container", OBJECT, 0, container_fields },
	{ "core", OBJECT, 0, core_fields },
	{ "delegation", OBJECT, 0, delegation_fields },
	{ NULL, TEXT, 0, NULL },
};

struct scanner {
	char *p;
	bool has_version, has_outcome;
	struct crash *crash;
};

static void skip_space(struct scanner *s)
{
	while (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')
		s->p++;
}

/* True, and behind it, if this character comes next. */
static bool take(struct scanner *s, char c)
{
	skip_space(s);
	if (*s->p != c)
		return false;
	s->p++;
	return true;
}

/* A plain string, ended in place; NULL: it is none. */
static char *take_text(struct scanner *s)
{
	if (!take(s, '"'))
		return NULL;
	char *start = s->p;
	while (*s->p >= 0x20 && *s->p < 0x7f && *s->p != '"' && *s->p != '\\')
		s->p++;
	if (*s->p != '"')
		return NULL;
	*s->p++ = '\0';
	return start;
}

static bool take_number(struct scanner *s, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	int digits = 0;

	skip_space(s);
	for (; *s->p >= '0' && *s->p <= '9'; s->p++, digits++) {
		if (digits == DIGITS_MAX)
			return false;
		value = value * 10 + (uint64_t)(*s->p - '0');
	}
	if (digits == 0 || value > max || strchr(".eE", *s->p))
		return false;
	*ret_value = value;
	return true;
}

static bool skip_string(struct scanner *s)
{
	for (s->p++; *s->p != '"'; s->p++) {
		if (*s->p == '\\')
			s->p++;
		if (*s->p == '\0')
			return false;
	}
	s->p++;
	return true;
}

/* Whatever it is. */
static bool skip_value(struct scanner *s)
{
	int depth = 0;

	skip_space(s);
	do {
		switch (*s->p) {
		case '\0':
			return false;
		case '"':
			if (!skip_string(s))
				return false;
			continue;
		case '{':
		case '[':
			if (++depth > DEPTH_MAX)
				return false;
			break;
		case '}':
		case ']':
			/* The end of what is around us: a value is missing. */
			if (--depth < 0)
				return false;
			break;
		case ',':
			if (depth == 0)
				return true;
			break;
		default:
			if (depth == 0) {
				s->p += strcspn(s->p, ",}] \n\t\r\"{[");
				return true;
			}
			break;
		}
		s->p++;
	} while (depth > 0);
	return true;
}

static bool take_outcome(struct scanner *s)
{
	const char *text = take_text(s);

	for (int i = CRASH_STORED; text && i <= CRASH_FAILED; i++)
		if (strcmp(text, crash_outcome_name((enum crash_outcome)i)) == 0) {
			s->crash->outcome = (enum crash_outcome)i;
			s->has_outcome = true;
		}
	return s->has_outcome;
}

static bool take_delegation(struct scanner *s)
{
	const char *text = take_text(s);

	for (int i = CRASH_DELEGATION_NONE; text && i <= CRASH_DELEGATION_ERROR; i++)
		if (strcmp(text, crash_delegation_name((enum crash_delegation)i)) == 0) {
			s->crash->delegation = (enum crash_delegation)i;
			return true;
		}
	return false;
}

static bool take_boolean(struct scanner *s, bool *ret_value)
{
	skip_space(s);
	bool yes = strncmp(s->p, "true", 4) == 0;

	if (!yes && strncmp(s->p, "false", 5) != 0)
		return false;
	s->p += yes ? 4 : 5;
	*ret_value = yes;
	return true;
}

static bool take_object(struct scanner *s, const struct field *fields_of);

static bool take_field(struct scanner *s, const struct field *field)
{
	void *to = (char *)s->crash + field->offset;
	uint64_t number = 0;

	switch (field->kind) {
	case TEXT:
		return (*(char **)to = take_text(s)) != NULL;
	case U64:
		return take_number(s, INT64_MAX, to);
	case U32:
		if (!take_number(s, UINT32_MAX, &number))
			return false;
		*(uint32_t *)to = (uint32_t)number;
		return true;
	case VERSION:
		s->has_version = take_number(s, UINT32_MAX, &number) && number == JSON_VERSION;
		return s->has_version;
	case BOOLEAN:
		return take_boolean(s, to);
	case OUTCOME:
		return take_outcome(s);
	case DELEGATION:
		return take_delegation(s);
	case OBJECT:
		return take_object(s, field->fields);
	}
	return false;
}

static bool take_object(struct scanner *s, const struct field *fields_of)
{
	if (!take(s, '{'))
		return false;
	if (take(s, '}'))
		return true;
	do {
		const struct field *field = fields_of;
		const char *key = take_text(s);

		if (!key || !take(s, ':'))
			return false;
		while (field->key && strcmp(field->key, key) != 0)
			field++;
		if (!(field->key ? take_field(s, field) : skip_value(s)))
			return false;
	} while (take(s, ','));
	return take(s, '}');
}

/*
 * Reads what a list shows of a record: not its id, which is the name of its directory.  text is cut
 * up on the way, and the strings of *ret_crash stand in it: it is not to be released.  -EAGAIN: ask
 * crash_from_json(), and *ret_crash is empty.
 */
int crash_glance(char *text, struct crash *ret_crash)
{
	struct scanner s = { .p = text, .crash = ret_crash };

	crash_init(ret_crash);
	ret_crash->root_only = true;
	bool done = take_object(&s, fields);
	skip_space(&s);
	if (done && s.has_version && s.has_outcome && *s.p == '\0')
		return 0;
	crash_init(ret_crash);
	return -EAGAIN;
}
