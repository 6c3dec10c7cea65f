// SPDX-License-Identifier: MIT
/* What a server answers, line by line: bounded, and nothing in it that is not as it is said to be.
 */
#include "../../container-agent/http-answer.h"

#include <string.h>

#include "fuzz.h"

static void check(const struct http_answer *a)
{
	assert(memchr(a->location, '\0', sizeof(a->location)));
	assert(memchr(a->text, '\0', sizeof(a->text)) && !strpbrk(a->text, "\r\n"));
	size_t len = strlen(a->repr_digest);
	assert((len == 0 || len == 64) && strspn(a->repr_digest, "0123456789abcdef") == len);
	assert(a->upload_offset.state != HTTP_NUMBER_GOOD || a->upload_offset.value <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;
	struct http_answer a;

	http_answer_init(&a);
	while (p < end) {
		const char *next = memchr(p, '\n', (size_t)(end - p));
		size_t len = next ? (size_t)(next + 1 - p) : (size_t)(end - p);

		if (!http_answer_take_header(&a, p, len))
			break;
		check(&a);
		p += len;
	}
	(void)http_answer_take_body(&a, (const char *)data, size);
	check(&a);
	(void)http_answer_is_of_body(&a);
	return 0;
}
