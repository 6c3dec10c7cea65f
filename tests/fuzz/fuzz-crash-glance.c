// SPDX-License-Identifier: MIT
/*
 * common/crash-glance.c: a record that is damaged anyhow.
 *
 * What it takes of a record that crash_from_json() takes, too, is the same there.
 */
#include "crash-glance.h"

#include "fuzz.h"

static void check_text(const char *glanced, const char *full)
{
	/* An empty text is "not known" in both. */
	if (glanced && full)
		assert(strcmp(glanced, full) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size), *copy = fuzz_string(data, size);
	cleanup_crash struct crash full;
	struct crash crash;
	bool whole = strlen(text) == size;

	crash_init(&full);
	if (crash_glance(text, &crash) < 0 || !whole || crash_from_json(copy, size, &full) < 0)
		return 0;
	assert(crash.time_us == full.time_us && crash.pid == full.pid && crash.uid == full.uid);
	assert(crash.signal == full.signal && crash.root_only == full.root_only);
	assert(crash.outcome == full.outcome && crash.core_size == full.core_size);
	assert(crash.delegation == full.delegation);
	check_text(crash.exe, full.exe);
	check_text(crash.comm, full.comm);
	check_text(crash.container_name, full.container_name);
	check_text(crash.core_file, full.core_file);
	return 0;
}
