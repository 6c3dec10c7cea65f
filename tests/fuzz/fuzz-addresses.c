// SPDX-License-Identifier: MIT
/*
 * common/addresses.c: tables of a container's network namespace, cut or damaged anyhow.
 *
 * What is taken is a list of different addresses that can be written and read again.
 */
#include "addresses.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	struct addresses a = { 0 };

	addresses_read_fib_trie(text, &a);
	addresses_read_if_inet6(text, &a);
	assert(a.count <= ADDRESSES_MAX && a.link_count == 0);
	for (uint32_t i = 0; i < a.count; i++) {
		char written[ADDRESSES_TEXT_SIZE];
		struct in6_addr again;

		addresses_format(&a.items[i], written);
		assert(addresses_parse(written, &again) == 0);
		assert(memcmp(&again, &a.items[i], sizeof(again)) == 0);
		for (uint32_t j = 0; j < i; j++)
			assert(memcmp(&a.items[i], &a.items[j], sizeof(again)) != 0);
	}
	return 0;
}
