// SPDX-License-Identifier: MIT
/*
 * common/proc.c: /proc/PID/status and stat (the name in them is the victim's), limits, environ,
 * auxv (its memory).
 *
 * Rights depend on status: it is understood whole, or not at all.  A variable is a part of environ
 * that ends within it.  A program is only ever not set-uid where AT_SECURE says so.
 */
#include "proc.h"

#include <elf.h>
#include <errno.h>

#include "fuzz.h"

static void check_status(const char *text)
{
	static struct proc_status status, before;

	memset(&status, 0x55, sizeof(status));
	before = status;
	int r = proc_status_parse(text, &status);
	assert(r == 0 || (r == -EINVAL && memcmp(&status, &before, sizeof(status)) == 0));
	assert(r < 0 || status.group_count <= ENTER_GROUPS_MAX);
	assert(r < 0 || (strstr(text, "Uid:") && strstr(text, "CapBnd:")));
}

static void check_limits(const char *text)
{
	struct enter_limit limits[ENTER_LIMIT_COUNT], before[ENTER_LIMIT_COUNT];
	struct proc_stat stat = { .nice = 99 };

	memset(limits, 0x55, sizeof(limits));
	memcpy(before, limits, sizeof(limits));
	int r = proc_limits_parse(text, limits);
	assert(r == 0 || (r == -EINVAL && memcmp(limits, before, sizeof(limits)) == 0));
	assert(r < 0 || strstr(text, "Max realtime timeout"));
	r = proc_stat_parse(text, &stat);
	assert(r == 0 || (r == -EINVAL && stat.nice == 99));
	assert(r < 0 || (stat.nice >= -20 && stat.nice <= 19 && strchr(text, ')')));
}

static void check_environ(const char *data, size_t size, const char *name)
{
	const char *value = proc_environ_get(data, size, name);
	size_t name_len = strlen(name);

	if (!value)
		return;
	const char *start = value - name_len - 1;
	assert(start == data || (start > data && start[-1] == '\0'));
	assert(memcmp(start, name, name_len) == 0 && value[-1] == '=');
	assert(memchr(value, '\0', (size_t)(data + size - value)));
}

static bool has_insecure(const uint8_t *data, size_t size)
{
	static const uint32_t insecure[] = { AT_SECURE, 0 }; /* in both word sizes */

	for (size_t i = 0; i + sizeof(insecure) <= size; i += sizeof(insecure))
		if (memcmp(data + i, insecure, sizeof(insecure)) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);

	check_status(text);
	check_limits(text);
	check_environ((const char *)data, size, "COREFERRY_URL");
	check_environ((const char *)data, size, "A");
	assert(proc_auxv_is_secure(data, size) || has_insecure(data, size));
	return 0;
}
