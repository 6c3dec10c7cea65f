// SPDX-License-Identifier: MIT
/*
 * What a server answered.
 *
 * libcurl has cut it into lines already.  What is too much ends the request; what is malformed
 * counts as not there, or, for a number on which it depends what is sent, as bad.
 */
#include "http-answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parse.h"

#define VALUE_MAX   8192
#define TUS_VERSION "1.0.0"

/* Starts a new answer. */
void http_answer_init(struct http_answer *answer)
{
	*answer = (struct http_answer){ 0 };
	digest_init(&answer->body_digest);
}

/* True if one of the words of a list, separated by commas, is this one. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ",")) {
		p += strspn(p, ", \t");
		if (strncmp(p, word, len) == 0 && strchr(", \t", p[len]))
			return true;
	}
	return false;
}

static void take_number(struct http_number *number, const char *value)
{
	uint64_t n = 0;
	bool is_number = parse_u64(value, INT64_MAX, &n) == 0;

	/* Twice the same is harmless; two that differ are not to be chosen from. */
	if (!is_number || (number->state != HTTP_NUMBER_MISSING && number->value != n))
		number->state = HTTP_NUMBER_BAD;
	else if (number->state == HTTP_NUMBER_MISSING)
		*number = (struct http_number){ HTTP_NUMBER_GOOD, n };
}

static void take_value(struct http_answer *a, const char *name, const char *value)
{
	if (strcasecmp(name, "Location") == 0) {
		if (!*a->location && strlen(value) <= HTTP_ANSWER_LOCATION_MAX)
			snprintf(a->location, sizeof(a->location), "%s", value);
	} else if (strcasecmp(name, "Tus-Resumable") == 0 || strcasecmp(name, "Tus-Version") == 0) {
		a->is_tus |= has_word(value, TUS_VERSION);
	} else if (strcasecmp(name, "Tus-Extension") == 0) {
		a->can_create |= has_word(value, "creation");
		a->can_terminate |= has_word(value, "termination");
	} else if (strcasecmp(name, "Upload-Offset") == 0) {
		take_number(&a->upload_offset, value);
	} else if (strcasecmp(name, "Upload-Length") == 0) {
		take_number(&a->upload_length, value);
	} else if (strcasecmp(name, "Content-Length") == 0) {
		take_number(&a->content_length, value);
	} else if (strcasecmp(name, "Content-Encoding") == 0) {
		a->is_encoded = true;
	} else if (strcasecmp(name, "Repr-Digest") == 0) {
		if (digest_header_to_hex(value, a->repr_digest) < 0)
			a->repr_digest[0] = '\0';
	}
}

/*
 * Takes one line, with or without its end.  A status line starts the answer anew: what was before
 * was an interim one.  False: this is too much, end the request.
 */
bool http_answer_take_header(struct http_answer *answer, const char *line, size_t len)
{
	char text[VALUE_MAX];

	answer->header_bytes += len;
	if (answer->header_bytes > HTTP_ANSWER_HEADERS_MAX)
		return false;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		size_t bytes =
			answer->header_bytes; /* of all of them: interim ones may be endless */

		http_answer_init(answer);
		answer->header_bytes = bytes;
		return true;
	}
	/* A value that is too long, or has a NUL within, is of no header that we want. */
	if (len >= sizeof(text) || memchr(line, '\0', len))
		return true;
	memcpy(text, line, len);
	text[len] = '\0';
	char *value = strchr(text, ':');
	if (!value)
		return true;
	*value++ = '\0';
	value += strspn(value, " \t");
	for (size_t n = strlen(value); n > 0 && strchr(" \t\r\n", value[n - 1]); n--)
		value[n - 1] = '\0';
	take_value(answer, text, value);
	return true;
}

/* Takes a piece of the body.  False: it is too long, end the request. */
bool http_answer_take_body(struct http_answer *answer, const char *data, size_t len)
{
	size_t have = strlen(answer->text);
	size_t room = HTTP_ANSWER_TEXT_MAX - have;
	size_t taken = len < room ? len : room;

	if (answer->body_bytes == have) { /* else its first line has ended */
		memcpy(answer->text + have, data, taken);
		answer->text[have + taken] = '\0';
		answer->text[strcspn(answer->text, "\r\n")] = '\0';
	}
	answer->body_bytes += len;
	digest_update(&answer->body_digest, data, len);
	return answer->body_bytes <= HTTP_ANSWER_BODY_MAX;
}

/*
 * True if repr_digest is that of this answer's own body, and tells nothing of what was sent.  To be
 * asked once.
 */
bool http_answer_is_of_body(struct http_answer *answer)
{
	char hex[DIGEST_HEX_SIZE];

	digest_finish_hex(&answer->body_digest, hex);
	return answer->body_bytes > 0 && strcmp(hex, answer->repr_digest) == 0;
}
