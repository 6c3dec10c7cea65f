// SPDX-License-Identifier: MIT
/*
 * The line that we write into core_pattern, and the question whether a line is one of ours.  Pure.
 *
 * The parts are the operator's arguments; a line that is looked at may be anyone's.  What the
 * kernel would split, expand or cut is refused here, never written in the hope that it works out.
 * See: core(5); format_corename() in the kernel's fs/coredump.c.
 */
#include "registration-line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

#define HELPER_NAME "coreferry-helper"

/*
 * True where the kernel would split: its isspace() takes Latin-1's no-break space (0xa0), too,
 * which is also the second byte of many a letter in UTF-8.  Other control characters are refused
 * with them.
 */
static bool splits(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte <= 0x20 || byte == 0x7f || byte == 0xa0;
}

static int check_argument(const char *what, const char *argument, bool may_expand,
			  char error[REGISTRATION_ERROR_SIZE])
{
	const char *why = NULL;

	if (*argument == '\0')
		why = "is empty: the kernel would drop it";
	for (const char *p = argument; *p && !why; p++) {
		if (splits(*p))
			why = "holds a space or a control character (or byte 0xa0, which the "
			      "kernel "
			      "takes for a space): the kernel would split it there; rename it, or "
			      "put it into a script";
		else if (*p == '%' && !may_expand)
			why = "holds '%', which the kernel would replace; use a path without it";
	}
	if (!why)
		return 0;
	snprintf(error, REGISTRATION_ERROR_SIZE, "%s '%.200s' %s", what, argument, why);
	return -EINVAL;
}

/* may_expand: '%' is the kernel's to replace, and not refused. */
static int check_path(const char *what, const char *path, bool may_expand,
		      char error[REGISTRATION_ERROR_SIZE])
{
	if (path[0] != '/') {
		snprintf(error, REGISTRATION_ERROR_SIZE, "%s '%.200s' is not an absolute path",
			 what, path);
		return -EINVAL;
	}
	return check_argument(what, path, may_expand, error);
}

/* Says which parts there are to be shortened. */
static int too_long(size_t length, const char *helper, const char *config, size_t delegate_length,
		    char error[REGISTRATION_ERROR_SIZE])
{
	char parts[160];
	int n = snprintf(parts, sizeof(parts), "the helper's path (%zu)", strlen(helper));

	if (config)
		n += snprintf(parts + n, sizeof(parts) - (size_t)n,
			      ", the configuration's path (%zu)", strlen(config));
	if (delegate_length > 0)
		snprintf(parts + n, sizeof(parts) - (size_t)n,
			 ", the delegate and its arguments (%zu)", delegate_length);
	snprintf(error, REGISTRATION_ERROR_SIZE,
		 "the line for core_pattern would have %zu characters, and the kernel keeps %d: "
		 "shorten it by %zu or more; its parts are %s",
		 length, CORE_PATTERN_MAX, length - CORE_PATTERN_MAX, parts);
	return -E2BIG;
}

/* Adds text as far as it fits, and counts it whole. */
static void append(char line[REGISTRATION_LINE_SIZE], size_t *length, const char *text)
{
	if (*length < CORE_PATTERN_MAX)
		snprintf(line + *length, REGISTRATION_LINE_SIZE - *length, "%s", text);
	*length += strlen(text);
}

/*
 * Makes "|HELPER [-C CONFIG] ARGUMENTS [DELEGATE...]".  helper, config (or NULL: the default) are
 * absolute paths; delegate is a list up to NULL (or NULL), whose '%' are left for the kernel.
 * 0; -EINVAL: an argument that the kernel would not keep whole; -E2BIG: too long.  error tells.
 */
int registration_line_build(const char *helper, const char *config, char *const *delegate,
			    char line[REGISTRATION_LINE_SIZE], char error[REGISTRATION_ERROR_SIZE])
{
	char text[REGISTRATION_LINE_SIZE];
	size_t length = 0;

	int r = check_path("the helper's path", helper, false, error);
	if (r == 0 && config)
		r = check_path("the configuration's path", config, false, error);
	/* It is a path in the container, which the helper refuses unless it is absolute. */
	if (r == 0 && delegate && *delegate)
		r = check_path("the delegate's path", *delegate, true, error);
	for (char *const *arg = delegate; r == 0 && arg && *arg; arg++)
		r = check_argument("the delegate's argument", *arg, true, error);
	if (r < 0)
		return r;

	append(text, &length, "|");
	append(text, &length, helper);
	if (config) {
		append(text, &length, " -C ");
		append(text, &length, config);
	}
	append(text, &length, " " CORE_PATTERN_ARGUMENTS);
	size_t before = length;
	for (char *const *arg = delegate; arg && *arg; arg++) {
		append(text, &length, " ");
		append(text, &length, *arg);
	}
	if (length > CORE_PATTERN_MAX)
		return too_long(length, helper, config, length - before, error);
	memcpy(line, text, length + 1);
	return 0;
}

/* True for a handler's line, whoever's: a program ('|') or, since Linux 6.17, a socket ('@'). */
bool registration_line_is_handler(const char *pattern)
{
	return pattern[0] == '|' || pattern[0] == '@';
}

/* The word at the start of text, up to where the kernel would split. False: none, or too long. */
static bool take_word(const char *text, char word[REGISTRATION_LINE_SIZE])
{
	size_t length = 0;

	while (text[length] && !splits(text[length]))
		length++;
	if (length == 0 || length >= REGISTRATION_LINE_SIZE)
		return false;
	memcpy(word, text, length);
	word[length] = '\0';
	return true;
}

/* The path of the handler that the line names, into helper. False: the line names none. */
bool registration_line_helper(const char *pattern, char helper[REGISTRATION_LINE_SIZE])
{
	return pattern[0] == '|' && take_word(pattern + 1, helper);
}

/* True for a line whose handler is a coreferry-helper, by its name: of this installation or
 * another. */
bool registration_line_is_coreferry(const char *pattern)
{
	char helper[REGISTRATION_LINE_SIZE];

	return registration_line_helper(pattern, helper) &&
	       strcmp(text_basename(helper), HELPER_NAME) == 0;
}

/* The configuration that a line of a coreferry-helper names with -C. False: none, so the default.
 */
bool registration_line_config(const char *pattern, char config[REGISTRATION_LINE_SIZE])
{
	static const char option[] = " -C ";
	char helper[REGISTRATION_LINE_SIZE];

	if (!registration_line_is_coreferry(pattern) || !registration_line_helper(pattern, helper))
		return false;
	const char *rest = pattern + 1 + strlen(helper);
	return strncmp(rest, option, strlen(option)) == 0 &&
	       take_word(rest + strlen(option), config);
}
