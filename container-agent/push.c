// SPDX-License-Identifier: MIT
/*
 * What all ways of pushing share: how they tell what became of it.
 *
 * The report goes to stdout, as lines of JSON, for the helper; messages go to stderr, for people.
 */
#include "push.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "log.h"

#define PROGRESS_MS 1000

/* Puts a copy of text (NULL: nothing) in the place of a text of the report.  0 or -ENOMEM. */
int push_put_text(char **field, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/*
 * The end of an attempt that failed: the message goes to the log and becomes report.error.  Bytes
 * of others may stand in it: both escape them.  Returns status, a number of sysexits(3).
 */
int push_fail(struct push *push, int status, const char *format, ...)
{
	cleanup_free char *message = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		message = NULL;
	va_end(ap);
	log_error("%s", message ? message : "out of memory");
	free(push->report.error);
	push->report.error = ptr_steal(&message);
	return status;
}

/* Writes the report as it is now.  That nobody reads it is no reason not to push. */
void push_tell(struct push *push)
{
	cleanup_free char *line = NULL;

	push->told_ms = clock_monotonic_ms();
	if (push_report_to_json(&push->report, &line) == 0)
		(void)fd_write_all(STDOUT_FILENO, line, strlen(line));
}

/* The same, but at most once a second. */
void push_tell_progress(struct push *push)
{
	if (clock_monotonic_ms() - push->told_ms >= PROGRESS_MS)
		push_tell(push);
}
