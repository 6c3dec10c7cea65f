// SPDX-License-Identifier: MIT
/*
 * tus's headers: the input is a path, a checksum and the metadata, a line each.
 */
#include "../../host-helper/server/tus-headers.h"

#include <errno.h>

#include "fuzz.h"

static int take(void *context, const char *key, const char *value, size_t len)
{
	size_t *total = context;

	assert(*key && value[len] == '\0' && fuzz_is_printable(key, strlen(key) + 1));
	*total += len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	char *rest = text, *path = strsep(&rest, "\n"),
	     *checksum = rest ? strsep(&rest, "\n") : NULL;
	struct tus_checksum sum = { 0 };
	char name[TUS_NAME_SIZE], why[TUS_WHY_SIZE] = "";
	size_t total = 0;

	if (tus_path_to_name(path, name) == 0)
		assert(tus_name_is_valid(name) && strstr(path, name));
	if (checksum && tus_checksum_parse(checksum, &sum) == 0)
		assert(sum.len == (sum.algorithm == TUS_SHA1 ? 20 : 32));
	if (rest) {
		int r = tus_metadata_for_each(rest, take, &total, why);

		assert(r == 0 || (r == -EINVAL && fuzz_is_printable(why, sizeof(why)) && *why));
		assert(total <= strlen(rest));
	}
	return 0;
}
