// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/arguments.c: the helper's arguments; the host name and parts of the delegate's
 * are the victim's.
 *
 * Numbers that are taken are within the kernel's limits, and strings are parts of the arguments.  A
 * refusal says why in a printable line.  The input is the arguments, a NUL between each two.
 */
#include "../../host-helper/helper/arguments.h"

#include <errno.h>

#include "fuzz.h"

#define ARGUMENTS_MAX 64

static bool is_one_of(const char *string, char *const *argv, size_t skip)
{
	for (; *argv; argv++)
		if (string == *argv + skip)
			return true;
	return false;
}

static void check(const struct arguments *a, int argc, char *const *argv)
{
	assert(!a->hostname || (*a->hostname && is_one_of(a->hostname, argv, 2)));
	assert(!a->config_file || is_one_of(a->config_file, argv, 0));
	assert(a->signal <= 128 && a->dump_mode <= 2 && a->tid <= INT32_MAX && a->pidfd >= -1);
	assert(a->time_s <= INT64_MAX && a->pid <= INT32_MAX);
	if (a->action != ARGUMENTS_CRASH)
		return;
	assert(a->pid > 0 && a->has_pidfd == (a->pidfd >= 0));
	assert(a->delegate >= argv + 4 && a->delegate <= argv + argc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	char *argv[ARGUMENTS_MAX + 1] = { (char[]){ "coreferry-helper" } };
	char error[ARGUMENTS_ERROR_SIZE] = "";
	struct arguments arguments;
	int argc = 1;

	for (char *p = text; p <= text + size && argc < ARGUMENTS_MAX; p += strlen(p) + 1)
		argv[argc++] = p;
	int r = arguments_parse(argc, argv, &arguments, error);
	assert(r == 0 || (r == -EINVAL && *error && arguments.pid == 0));
	assert(fuzz_is_printable(error, sizeof(error)));
	if (r == 0)
		check(&arguments, argc, argv);
	return 0;
}
