/* SPDX-License-Identifier: MIT */
/*
 * One attempt to bring the core to where it shall be, whatever the way: what the schemes' modules
 * get, and how they tell what became of it.
 *
 * An agent makes one attempt.  Whether there is another is the helper's to decide, which starts the
 * agent anew, with the same core from byte 0, and with what report.resume held at the end of this
 * one (docs/PROTOCOL.md).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "push-report.h"
#include "settings.h"
#include "source.h"

struct push {
	const char *url; /* where to, as it was configured: not checked by anyone yet */
	const char *id;	 /* of the crash: of exact shape (crash-id.h), fit for a path */
	const struct settings *settings;
	struct source *source;
	const char *trust; /* certificates in PEM that the host lends, or NULL */
	size_t trust_len;
	const char *resume; /* what the attempt before left, visible ASCII, or NULL: not trusted */
	bool abandon;	    /* send nothing: remove what `resume` tells of; the source is NULL */
	bool is_helped;	    /* coreferry-helper started it: there may be another attempt */
	struct push_report report;
	uint64_t told_ms; /* when the last report was written */
};

/* Each returns a status of sysexits(3): 0: it is there; EX_TEMPFAIL: to be tried again. */
int push_http(struct push *push);
int push_s3(struct push *push);
int push_file(struct push *push);

int push_put_text(char **field, const char *text);
__attribute__((format(printf, 3, 4))) int push_fail(struct push *push, int status,
						    const char *format, ...);
void push_tell(struct push *push);
void push_tell_progress(struct push *push);
