// SPDX-License-Identifier: MIT
/*
 * host-helper/names/engine-answer.c: what an engine answers, or a bundle holds.
 *
 * The first byte tells which.  What is taken is within its bounds, has a name or a pod, and can be
 * written for the helper, who reads it.
 */
#include "../../host-helper/names/engine-answer.h"

#include <errno.h>

#include "fuzz.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_container_facts struct container_facts facts = { .name = NULL },
						       again = { .name = NULL };
	bool is_bundle = fuzz_byte(&data, &size) == 'b';
	cleanup_free char *text = fuzz_string(data, size), *bytes = NULL;
	size_t len;
	int r = is_bundle ? engine_bundle_parse(text, size, &facts)
			  : engine_answer_parse(text, size, ID, &facts);

	if (r < 0) {
		assert(r == -EINVAL || (is_bundle && r == -ENODATA));
		assert(!facts.name && facts.labels.count == 0);
		return 0;
	}
	assert(facts.name || (is_bundle && facts.pod));
	assert(container_facts_write(&facts, &bytes, &len) == 0);
	assert(len <= CONTAINER_FACTS_WIRE_MAX);
	assert(container_facts_read(bytes, len, &again) == 0);
	assert(again.labels.count == facts.labels.count);
	return 0;
}
