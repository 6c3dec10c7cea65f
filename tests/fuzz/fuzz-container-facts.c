// SPDX-License-Identifier: MIT
/*
 * common/container-facts.c: what coreferry-names wrote, which its input may have taken over.
 *
 * What is taken is within all bounds, and written again it is read as the same.
 */
#include "container-facts.h"

#include <errno.h>

#include "fuzz.h"

static void check(const struct container_facts *facts)
{
	const char *const texts[] = { facts->name, facts->image,	 facts->image_id,
				      facts->pod,  facts->pod_namespace, facts->pod_uid,
				      facts->error };
	const struct container_labels *labels = &facts->labels;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert(!texts[i] || (*texts[i] && strlen(texts[i]) <= CONTAINER_FACT_MAX));
	assert(labels->count <= CONTAINER_LABELS_MAX && labels->bytes <= CONTAINER_LABELS_BYTES);
	for (size_t i = 0; i < labels->count; i++) {
		assert(*labels->items[i].key &&
		       strlen(labels->items[i].value) <= CONTAINER_LABEL_MAX);
		assert(container_labels_get(labels, labels->items[i].key));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_container_facts struct container_facts facts = { .name = NULL },
						       again = { .name = NULL };
	cleanup_free char *copy = malloc(size + 1), *text = NULL, *text_again = NULL;
	size_t len, len_again;

	assert(copy);
	memcpy(copy, data, size);
	int r = container_facts_read(copy, size, &facts);
	if (r < 0) {
		assert(r == -EINVAL && !facts.name && facts.labels.count == 0);
		return 0;
	}
	check(&facts);
	assert(container_facts_write(&facts, &text, &len) == 0);
	assert(len <= CONTAINER_FACTS_WIRE_MAX);
	assert(container_facts_read(text, len, &again) == 0);
	assert(container_facts_write(&again, &text_again, &len_again) == 0);
	assert(len == len_again && memcmp(text, text_again, len) == 0);
	return 0;
}
