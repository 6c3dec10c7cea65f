// SPDX-License-Identifier: MIT
/*
 * What an S3 endpoint answers in XML.  Pure: bytes in, a struct out.
 *
 * Every byte is the endpoint's.  Depth, length and number of everything are bounded; a document
 * type ends the parsing, so that no entity is ever defined.
 */
#include "s3-answer.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define DEPTH_MAX  8
#define ANSWER_MAX (2U << 20) /* a list of 1000 parts has 300 KB */
#define TEXT_MAX   1024U

struct s3_parser {
	XML_Parser expat;
	struct s3_answer *answer;
	s3_part_fn fn;
	void *context;
	size_t total;
	int depth;
	bool in_part;
	char text[TEXT_MAX + 1]; /* of the element that is open */
	size_t text_len;
	bool is_too_long;
	struct s3_part part;
	char part_etag[S3_ETAG_MAX + 1];
	int r;
};

static void stop(struct s3_parser *p, int r)
{
	if (p->r == 0)
		p->r = r;
	XML_StopParser(p->expat, XML_FALSE);
}

static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
	struct s3_parser *p = context;

	(void)attributes;
	name = local_name(name);
	p->depth++;
	p->text_len = 0;
	p->is_too_long = false;
	if (p->depth > DEPTH_MAX) {
		stop(p, -EPROTO);
	} else if (p->depth == 1 && strlen(name) <= S3_WORD_MAX) {
		memcpy(p->answer->root, name, strlen(name) + 1);
	} else if (p->depth == 2 && strcmp(name, "Part") == 0) {
		p->in_part = true;
		p->part = (struct s3_part){ 0, 0, p->part_etag };
		p->part_etag[0] = '\0';
	}
}

static void on_text(void *context, const XML_Char *text, int len)
{
	struct s3_parser *p = context;

	if ((size_t)len > TEXT_MAX - p->text_len) {
		len = (int)(TEXT_MAX - p->text_len);
		p->is_too_long = true;
	}
	memcpy(p->text + p->text_len, text, (size_t)len);
	p->text_len += (size_t)len;
}

/* A text that is cut would be another one: what does not fit is not known. */
static void take(const struct s3_parser *p, char *to, size_t max)
{
	to[0] = '\0';
	if (!p->is_too_long && p->text_len <= max)
		memcpy(to, p->text, p->text_len + 1);
}

static void take_message(const struct s3_parser *p)
{
	size_t len = p->text_len < S3_MESSAGE_MAX ? p->text_len : S3_MESSAGE_MAX;

	memcpy(p->answer->message, p->text, len);
	p->answer->message[len] = '\0';
}

static uint64_t take_number(const struct s3_parser *p, uint64_t max)
{
	uint64_t number;

	return !p->is_too_long && parse_u64(p->text, max, &number) == 0 ? number : 0;
}

static bool is_visible(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f)
			return false;
	return true;
}

static void take_child(struct s3_parser *p, const char *name)
{
	struct s3_answer *answer = p->answer;

	if (strcmp(name, "Code") == 0) {
		take(p, answer->code, S3_WORD_MAX);
	} else if (strcmp(name, "Message") == 0) {
		take_message(p);
	} else if (strcmp(name, "ETag") == 0) {
		take(p, answer->etag, S3_ETAG_MAX);
	} else if (strcmp(name, "IsTruncated") == 0) {
		answer->is_truncated = !p->is_too_long && strcmp(p->text, "true") == 0;
	} else if (strcmp(name, "NextPartNumberMarker") == 0) {
		answer->next_part = (uint32_t)take_number(p, S3_PARTS_MAX);
	} else if (strcmp(name, "UploadId") == 0) {
		take(p, answer->upload_id, S3_UPLOAD_ID_MAX);
		if (!is_visible(answer->upload_id))
			answer->upload_id[0] = '\0';
	}
}

static void take_of_part(struct s3_parser *p, const char *name)
{
	if (strcmp(name, "PartNumber") == 0)
		p->part.number = (uint32_t)take_number(p, S3_PARTS_MAX);
	else if (strcmp(name, "Size") == 0)
		p->part.size = take_number(p, INT64_MAX);
	else if (strcmp(name, "ETag") == 0)
		take(p, p->part_etag, S3_ETAG_MAX);
}

static void on_end(void *context, const XML_Char *name)
{
	struct s3_parser *p = context;

	name = local_name(name);
	p->text[p->text_len] = '\0';
	/* The bytes of what was inside are not the text of what was around. */
	if (memchr(p->text, '\0', p->text_len))
		p->is_too_long = true;
	if (p->depth == 2 && p->in_part) {
		p->in_part = false;
		if (p->fn && p->part.number > 0) {
			int r = p->fn(p->context, &p->part);

			if (r != 0)
				stop(p, r);
		}
	} else if (p->depth == 3 && p->in_part) {
		take_of_part(p, name);
	} else if (p->depth == 2) {
		take_child(p, name);
	}
	p->depth--;
	p->text_len = 0;
}

static void on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
		       const XML_Char *public_id, int has_internal_subset)
{
	(void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
	stop(context, -EPROTO);
}

/*
 * A parser that fills answer, and calls fn (may be NULL) for each part that is listed.  NULL: no
 * memory.  See: XML_ParserCreate(3) of expat.
 */
struct s3_parser *s3_parser_new(struct s3_answer *answer, s3_part_fn fn, void *context)
{
	struct s3_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->expat = XML_ParserCreate(NULL);
	if (!p->expat) {
		free(p);
		return NULL;
	}
	*answer = (struct s3_answer){ .root = "" };
	p->answer = answer;
	p->fn = fn;
	p->context = context;
	XML_SetUserData(p->expat, p);
	XML_SetElementHandler(p->expat, on_start, on_end);
	XML_SetCharacterDataHandler(p->expat, on_text);
	XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
	return p;
}

void s3_parser_free(struct s3_parser *p)
{
	if (!p)
		return;
	XML_ParserFree(p->expat);
	free(p);
}

static int parse(struct s3_parser *p, const char *data, size_t len, bool is_final)
{
	if (p->r != 0)
		return p->r;
	if (len > ANSWER_MAX - p->total)
		return p->r = -EFBIG;
	p->total += len;
	if (XML_Parse(p->expat, data, (int)len, is_final) != XML_STATUS_OK && p->r == 0)
		p->r = XML_GetErrorCode(p->expat) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EPROTO;
	return p->r;
}

/* The next bytes.  0; -EPROTO: not XML as S3 has it, -EFBIG: too long, -ENOMEM, or what fn gave. */
int s3_parser_add(struct s3_parser *p, const char *data, size_t len)
{
	return parse(p, data, len, false);
}

/* There are no more: the same, and -EPROTO if the end is missing.  What was found stays as it is.
 */
int s3_parser_finish(struct s3_parser *p)
{
	return parse(p, "", 0, true);
}
