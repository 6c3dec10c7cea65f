// SPDX-License-Identifier: MIT
/*
 * A short answer to a request.
 *
 * Its text goes to whoever asked: it never holds anything of another peer's, or a path of the host.
 */
#include "answer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

/* Makes an answer of one line of plain text (printf(3) style, without the line's end). */
void answer_set(struct answer *answer, unsigned status, const char *format, ...)
{
	va_list args;

	*answer = (struct answer){ .status = status, .type = "text/plain; charset=utf-8" };
	va_start(args, format);
	vsnprintf(answer->text, sizeof(answer->text) - 1, format, args);
	va_end(args);
	answer->text[strlen(answer->text)] = '\n'; /* there is room for it and a NUL */
}

/*
 * Adds a header; name is a constant.  The value is ours: numbers, times, names that we made.  One
 * that is longer than there is room for is left out: half of one would be wrong.
 */
void answer_add_header(struct answer *answer, const char *name, const char *format, ...)
{
	struct answer_header *header = answer->headers;
	va_list args;

	while (header->name)
		header++;
	assert(header < answer->headers + ANSWER_HEADERS - 1);
	va_start(args, format);
	int n = vsnprintf(header->value, sizeof(header->value), format, args);
	va_end(args);
	if (n > 0 && n < (int)sizeof(header->value))
		header->name = name;
}

/* Makes an answer of len bytes of a type (a constant); *body is taken, and is not a text alone. */
void answer_take_body(struct answer *answer, unsigned status, const char *type, char **body,
		      size_t len)
{
	*answer = (struct answer){
		.status = status, .type = type, .body = ptr_steal(body), .body_len = len
	};
}

/* Frees what it has. */
void answer_release(struct answer *answer)
{
	free(answer->body);
	answer->body = NULL;
}

static struct MHD_Response *make_response(struct answer *answer)
{
	struct MHD_Response *response;

	if (!answer->body)
		return MHD_create_response_from_buffer(strlen(answer->text), answer->text,
						       MHD_RESPMEM_MUST_COPY);
	response = MHD_create_response_from_buffer(answer->body_len, answer->body,
						   MHD_RESPMEM_MUST_FREE);
	if (response)
		answer->body = NULL;
	return response;
}

/* Queues it; its body is given away. MHD_NO: the connection must end (no memory). */
enum MHD_Result answer_send(struct answer *answer, struct MHD_Connection *mhd)
{
	struct MHD_Response *response = make_response(answer);

	if (!response)
		return MHD_NO;
	enum MHD_Result r =
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	if (r == MHD_YES)
		r = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (r == MHD_YES)
		r = MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	for (const struct answer_header *h = answer->headers; r == MHD_YES && h->name; h++)
		r = MHD_add_response_header(response, h->name, h->value);
	if (r == MHD_YES)
		r = MHD_queue_response(mhd, answer->status, response);
	MHD_destroy_response(response);
	return r;
}
