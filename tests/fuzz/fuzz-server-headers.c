// SPDX-License-Identifier: MIT
/*
 * host-helper/server/receive-headers.c (and core-headers.c): an upload's path and headers, which
 * are the peer's.
 *
 * Refusals are printable lines.  What was taken is the same record when it is sent on, as our own
 * agent does.  The input is a path, then lines of "Name: value".
 */
#include "../../host-helper/server/receive-headers.h"

#include <errno.h>

#include "fuzz.h"

static int take(void *context, const char *name, const char *value)
{
	char why[RECEIVE_WHY_SIZE] = "";
	int r = receive_headers_take(context, name, value, why);

	assert(r == 0 || (r == -EINVAL && *why && fuzz_is_printable(why, sizeof(why))));
	return r;
}

static void check_again(const struct receive_headers *h)
{
	cleanup_receive_headers struct receive_headers again;
	cleanup_free char *text = NULL, *text_again = NULL;

	assert(receive_headers_init(&again, h->crash.id) == 0);
	assert(core_headers_for_each(&h->crash, take, &again) == 0);
	assert(crash_to_json(&h->crash, &text) == 0);
	assert(crash_to_json(&again.crash, &text_again) == 0);
	assert(strcmp(text, text_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_receive_headers struct receive_headers h = { 0 };
	cleanup_free char *text = fuzz_string(data, size);
	char id[CRASH_ID_SIZE], *save = NULL, *path = strtok_r(text, "\n", &save);
	bool zst;

	if (!path || receive_path_to_id(path, id, &zst) < 0)
		return 0;
	assert(crash_id_is_valid(id) && strstr(path, id) > path);
	assert(receive_headers_init(&h, id) == 0);
	for (char *line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strstr(line, ": ");

		if (value) {
			*value = '\0';
			take(&h, line, value + 2);
		}
	}
	assert(strlen(h.raw_sha256) % 64 == 0 && strlen(h.body_sha256) % 64 == 0);
	assert(strcmp(h.crash.id, id) == 0 && !h.crash.core_file && h.size <= INT64_MAX);
	check_again(&h);
	return 0;
}
