// SPDX-License-Identifier: MIT
/*
 * common/crash-id.c: names from anywhere (directories, URLs, arguments), of which the valid ones
 * become parts of paths.
 *
 * A valid name is short and holds nothing that a path, a URL or a terminal acts upon; whatever is
 * formatted is valid.  The input is the time, the pid and the random bits, and the name to judge.
 */
#include "crash-id.h"

#include <errno.h>

#include "fuzz.h"

static uint64_t take(const uint8_t **data, size_t *size, int bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | fuzz_byte(data, size);
	return value;
}

static void check(uint64_t time_us, uint32_t pid, uint16_t random)
{
	char id[CRASH_ID_SIZE] = "untouched", time[32] = "untouched";
	int r = crash_id_format(time_us, pid, random, id);

	assert(crash_time_format(time_us, time) == r);
	if (r == 0) {
		uint64_t parsed_us;
		uint32_t parsed_pid;

		assert(crash_id_is_valid(id));
		assert(crash_id_parse(id, &parsed_us, &parsed_pid) == 0);
		assert(parsed_us == time_us && parsed_pid == pid);
		assert(strlen(time) == strlen("2026-11-21T02:37:53.123456Z"));
		assert(strtoul(strchr(id, '-') + 1, NULL, 10) == pid);
		assert(strtoul(strrchr(id, '-') + 1, NULL, 16) == random);
	} else {
		/* There is no year 10000. */
		assert(r == -ERANGE && time_us >= 253402300800ULL * 1000000);
		assert(strcmp(id, "untouched") == 0 && strcmp(time, "untouched") == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t time_us = take(&data, &size, 8);
	uint32_t pid = (uint32_t)take(&data, &size, 4);
	uint16_t random = (uint16_t)take(&data, &size, 2);
	cleanup_free char *name = fuzz_string(data, size);

	check(time_us, pid, random);
	/* What can be parsed is a name; not every name is of a day that there is. */
	int r = crash_id_parse(name, &time_us, &pid);
	assert(r == -EINVAL || (r == 0 && crash_id_is_valid(name)));
	if (crash_id_is_valid(name)) {
		assert(strlen(name) < CRASH_ID_SIZE);
		assert(name[strspn(name, "0123456789abcdefTZ.-")] == '\0');
		assert(name[0] >= '0' && name[0] <= '9' && !strstr(name, ".."));
	}
	return 0;
}
