// SPDX-License-Identifier: MIT
/*
 * What the agent tells of its push: to JSON, and back.  Pure.
 *
 * What is read is the container's.  A line with a value of another type, out of range, too long or
 * with characters that do not belong there is refused as a whole; fields that are not known are
 * passed over.
 */
#include "push-report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "text.h"

#define HTTP_STATUS_MAX 999

/* Frees what the report owns, and empties it. */
void push_report_release(struct push_report *report)
{
	free(report->protocol);
	free(report->url);
	free(report->resume);
	free(report->verified);
	free(report->error);
	*report = (struct push_report){ 0 };
}

static bool is_visible(const char *text, size_t max)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return len > 0 && len <= max;
}

static bool is_word(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= PUSH_REPORT_WORD_MAX &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* True for what may be passed on as CORE_RESUME: visible ASCII, of a bounded length. */
bool push_report_is_resume(const char *text)
{
	return is_visible(text, PUSH_REPORT_RESUME_MAX);
}

/* --- writing --- */

static int put(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

static int put_number(json_t *object, const char *key, uint64_t value)
{
	if (value == 0)
		return 0;
	return put(object, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

static int put_word(json_t *object, const char *key, const char *word)
{
	return word && is_word(word) ? put(object, key, json_string(word)) : 0;
}

static int put_cut(json_t *object, const char *key, const char *text, size_t max)
{
	if (!text || !*text)
		return 0;
	cleanup_free char *escaped = text_escape(text, strnlen(text, max));
	return put(object, key, escaped ? json_string(escaped) : NULL);
}

static int fill(json_t *o, const struct push_report *r)
{
	if (put_word(o, "protocol", r->protocol) < 0 ||
	    (r->url && is_visible(r->url, PUSH_REPORT_URL_MAX) &&
	     put(o, "url", json_string(r->url)) < 0) ||
	    put_number(o, "status", r->status) < 0 || put_number(o, "sent", r->sent) < 0 ||
	    put_number(o, "offset", r->offset) < 0 || put_number(o, "total", r->total) < 0 ||
	    (r->resume && push_report_is_resume(r->resume) &&
	     put(o, "resume", json_string(r->resume)) < 0) ||
	    put_word(o, "verified", r->verified) < 0 ||
	    put_number(o, "retry_after_s", r->retry_after_s) < 0 ||
	    put_cut(o, "error", r->error, PUSH_REPORT_ERROR_MAX) < 0)
		return -ENOMEM;
	return 0;
}

/*
 * The report as one line of JSON, with its end (free it), of at most PUSH_REPORT_LINE_MAX bytes: an
 * error is cut, a url or resume that is too long, or not visible ASCII, is left out.  0 or -ENOMEM.
 */
int push_report_to_json(const struct push_report *report, char **ret_line)
{
	json_t *object = json_object();
	int r = object ? fill(object, report) : -ENOMEM;

	if (r == 0) {
		cleanup_free char *text = json_dumps(object, JSON_COMPACT);

		if (!text || asprintf(ret_line, "%s\n", text) < 0)
			r = -ENOMEM;
	}
	json_decref(object);
	return r;
}

/* --- reading --- */

/* Missing is zero; what is no such number is refused. */
static int get_number(const json_t *object, const char *key, uint64_t max, uint64_t *ret_value)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return -EINVAL;
	*ret_value = (uint64_t)json_integer_value(value);
	return 0;
}

static int get_u32(const json_t *object, const char *key, uint32_t max, uint32_t *ret_value)
{
	uint64_t value = 0;
	int r = get_number(object, key, max, &value);

	*ret_value = (uint32_t)value;
	return r;
}

static bool is_url(const char *text)
{
	return is_visible(text, PUSH_REPORT_URL_MAX);
}

static int get_text(const json_t *object, const char *key, bool (*is_good)(const char *),
		    char **ret_text)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || !is_good(text))
		return -EINVAL;
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

/* Bytes of anyone's: they were escaped on the way. */
static int get_error(const json_t *object, char **ret_text)
{
	const json_t *value = json_object_get(object, "error");
	const char *text = json_string_value(value);
	size_t len = 0;

	if (!value)
		return 0;
	if (!text)
		return -EINVAL;
	cleanup_free char *bytes = text_unescape(text, &len);
	if (!bytes)
		return -ENOMEM;
	if (len > PUSH_REPORT_ERROR_MAX || strlen(bytes) != len)
		return -EINVAL;
	*ret_text = len > 0 ? ptr_steal(&bytes) : NULL;
	return 0;
}

static int read_object(const json_t *o, struct push_report *r)
{
	int e = get_text(o, "protocol", is_word, &r->protocol);

	if (e == 0)
		e = get_text(o, "url", is_url, &r->url);
	if (e == 0)
		e = get_text(o, "resume", push_report_is_resume, &r->resume);
	if (e == 0)
		e = get_text(o, "verified", is_word, &r->verified);
	if (e == 0)
		e = get_error(o, &r->error);
	if (e == 0 && (get_u32(o, "status", HTTP_STATUS_MAX, &r->status) < 0 ||
		       get_number(o, "sent", INT64_MAX, &r->sent) < 0 ||
		       get_number(o, "offset", INT64_MAX, &r->offset) < 0 ||
		       get_number(o, "total", INT64_MAX, &r->total) < 0 ||
		       get_u32(o, "retry_after_s", UINT32_MAX, &r->retry_after_s) < 0))
		e = -EINVAL;
	return e;
}

/*
 * Reads one line.  On success *ret_report is overwritten and owned by the caller
 * (push_report_release()).  -EINVAL: not a report; -ENOMEM.
 */
int push_report_from_json(const char *text, size_t len, struct push_report *ret_report)
{
	cleanup_push_report struct push_report report = { 0 };
	json_t *object = len > PUSH_REPORT_LINE_MAX
				 ? NULL
				 : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int r = json_is_object(object) ? read_object(object, &report) : -EINVAL;

	json_decref(object);
	if (r < 0)
		return r;
	*ret_report = report;
	report = (struct push_report){ 0 };
	return 0;
}

/*
 * Takes what came next out of the agent's stdout.  The last report that is complete replaces
 * *report (zeros at first); a line that is too long, or no report, is passed over.  Returns how
 * many reports there were.
 */
unsigned push_report_take(struct push_report_lines *lines, const char *bytes, size_t len,
			  struct push_report *report)
{
	unsigned count = 0;

	for (size_t i = 0; i < len; i++) {
		struct push_report next;

		if (bytes[i] != '\n') {
			if (lines->len == sizeof(lines->line))
				lines->is_too_long = true;
			else
				lines->line[lines->len++] = bytes[i];
			continue;
		}
		if (!lines->is_too_long &&
		    push_report_from_json(lines->line, lines->len, &next) == 0) {
			push_report_release(report);
			*report = next;
			count++;
		}
		lines->len = 0;
		lines->is_too_long = false;
	}
	return count;
}
