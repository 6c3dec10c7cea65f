// SPDX-License-Identifier: MIT
/*
 * The name of a core file: file:TEMPLATE, and what stands in the environment of the crash.
 *
 * The template is the victim's or the container's, the values are the attacker's: as in the
 * kernel, a value has no slash, and cannot make "." or ".." of what it stands in.
 */
#include "file-name.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crash-id.h"
#include "fd.h"
#include "text.h"

struct name {
	char text[PATH_MAX];
	size_t len;
	bool is_full;
};

static void add(struct name *n, const char *text, size_t len)
{
	if (len >= sizeof(n->text) - n->len) {
		n->is_full = true;
		return;
	}
	memcpy(n->text + n->len, text, len);
	n->len += len;
	n->text[n->len] = '\0';
}

/* As cn_esc_printf() of the kernel's fs/coredump.c. */
static void add_value(struct name *n, const char *value)
{
	size_t start = n->len;

	add(n, value, strlen(value));
	size_t len = n->len - start;
	if (len == 0)
		add(n, "!", 1);
	if ((len == 1 || len == 2) && strspn(value, ".") == len)
		n->text[start] = '!';
	for (size_t i = start; i < n->len; i++)
		if (n->text[i] == '/')
			n->text[i] = '!';
}

/* The environment's variable for a specifier, or NULL. */
static const char *variable_of(char specifier)
{
	static const struct {
		char specifier;
		const char *variable;
	} known[] = {
		{ 'e', "CORE_COMM" }, { 'E', "CORE_EXE" },	{ 'f', "CORE_EXE" },
		{ 'g', "CORE_GID" },  { 'h', "CORE_HOSTNAME" }, { 'I', "CORE_TID" },
		{ 'p', "CORE_PID" },  { 'P', "CORE_HOST_PID" }, { 's', "CORE_SIGNAL" },
		{ 'u', "CORE_UID" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].specifier == specifier)
			return known[i].variable;
	return NULL;
}

static void add_time(struct name *n, const char *id)
{
	uint64_t time_us = 0;
	uint32_t pid;
	char text[24];

	(void)crash_id_parse(id, &time_us, &pid);
	snprintf(text, sizeof(text), "%" PRIu64, time_us / 1000000);
	add_value(n, text);
}

static bool add_specifier(struct name *n, char specifier, const char *id)
{
	const char *variable = variable_of(specifier);

	if (specifier == '%') {
		add(n, "%", 1);
	} else if (specifier == 'i') {
		add_value(n, id);
	} else if (specifier == 't') {
		add_time(n, id);
	} else if (variable) {
		const char *value = getenv(variable);

		value = value ? value : "";
		add_value(n, specifier == 'f' ? text_basename(value) : value);
	} else {
		return false;
	}
	return true;
}

/* What stands behind "file:", without the empty host of "file:///PATH".  NULL: another host. */
static const char *template_of(const char *url)
{
	const char *template = url + strlen("file:");

	if (strncmp(template, "//", 2) != 0)
		return template;
	template += 2;
	if (strncasecmp(template, "localhost/", strlen("localhost/")) == 0)
		template += strlen("localhost");
	return *template == '/' ? template : NULL;
}

static int fail(char error[FILE_NAME_ERROR_SIZE], const char *url, const char *why)
{
	cleanup_free char *escaped = text_escape(url, strnlen(url, 60));

	snprintf(error, FILE_NAME_ERROR_SIZE, "'%s': %s", escaped ? escaped : "", why);
	return -EINVAL;
}

/*
 * The path for a crash (free it): file:TEMPLATE with its specifiers filled in; a template that ends
 * with a slash is the directory for ID.core.  id: of exact shape (crash-id.h).  -EINVAL and error:
 * why there is none; or -ENOMEM.
 */
int file_name_make(const char *url, const char *id, char **ret_path,
		   char error[FILE_NAME_ERROR_SIZE])
{
	const char *template = template_of(url);
	cleanup_free struct name *n = calloc(1, sizeof(*n));

	if (!n) {
		snprintf(error, FILE_NAME_ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	if (!template || !*template)
		return fail(error, url, "not file:PATH, with a path on this machine");
	for (const char *p = template; *p; p++) {
		if (*p != '%')
			add(n, p, 1);
		else if (!add_specifier(n, *++p, id))
			return fail(
				error, url,
				"has another specifier than %% %e %E %f %g %h %i %I %p %P %s %t "
				"%u");
	}
	if (!n->is_full && n->text[n->len - 1] == '/') {
		add(n, id, strlen(id));
		add(n, ".core", strlen(".core"));
	}
	if (n->is_full)
		return fail(error, url, "the path is too long");
	*ret_path = strdup(n->text);
	if (*ret_path)
		return 0;
	snprintf(error, FILE_NAME_ERROR_SIZE, "out of memory");
	return -ENOMEM;
}
