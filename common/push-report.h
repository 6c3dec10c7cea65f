/* SPDX-License-Identifier: MIT */
/*
 * What the agent tells of its push while that goes on, and at its end: lines of JSON on its
 * stdout, of which the last complete one counts (docs/PROTOCOL.md).  Pure.
 *
 * The agent runs with the crashed process's rights: for who reads this, every byte of it is the
 * container's.  It is bounded, and becomes neither a path nor an argument; in the record it is
 * escaped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUSH_REPORT_LINE_MAX   8192U /* bytes of a line, with its end */
#define PUSH_REPORT_WORD_MAX   16U   /* of protocol and verified */
#define PUSH_REPORT_URL_MAX    1024U
#define PUSH_REPORT_ERROR_MAX  300U
#define PUSH_REPORT_RESUME_MAX 2048U

struct push_report {
	char *protocol;	 /* "put", "tus", "s3", "file" */
	char *url;	 /* where to: without user, password and query */
	uint32_t status; /* last HTTP status, 0: none */
	uint64_t sent;	 /* bytes that this attempt sent */
	uint64_t offset; /* bytes that the endpoint says it has (of `total`) */
	uint64_t total;	 /* bytes that are to arrive; 0: not known */
	char *resume;	 /* for CORE_RESUME of the next attempt, or NULL */
	char *verified;	 /* "digest", "size", "answer", or NULL: how the endpoint's word was checked
			  */
	uint32_t retry_after_s; /* 0: it did not say */
	char *error;		/* why it ended, one line, or NULL */
};

bool push_report_is_resume(const char *text);
int push_report_to_json(const struct push_report *report, char **ret_line);
int push_report_from_json(const char *text, size_t len, struct push_report *ret_report);
void push_report_release(struct push_report *report);
#define cleanup_push_report __attribute__((cleanup(push_report_release)))

/* Bytes as they come out of a pipe, cut into lines; zeros at first. */
struct push_report_lines {
	char line[PUSH_REPORT_LINE_MAX];
	size_t len;
	bool is_too_long; /* the rest of this line is passed over */
};

unsigned push_report_take(struct push_report_lines *lines, const char *bytes, size_t len,
			  struct push_report *report);
