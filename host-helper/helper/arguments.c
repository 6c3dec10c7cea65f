// SPDX-License-Identifier: MIT
/*
 * The helper's arguments, as the kernel writes them.  Pure.
 *
 * Not getopt(3): where a kernel does not know a %-letter, it puts nothing in its place, and getopt
 * would take the next argument for the value of an option that stands alone.
 */
#include "arguments.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

struct number_option {
	char letter;
	const char *what;
	uint64_t max;
};

static const struct number_option number_options[] = {
	{ 's', "signal (%s)", 128 },
	{ 't', "time of the crash (%t)", INT64_MAX },
	{ 'c', "RLIMIT_CORE (%c)", UINT64_MAX },
	{ 'd', "dump mode (%d)", 2 },
	{ 'i', "thread id (%I)", INT32_MAX },
	{ 'F', "pidfd (%F)", INT32_MAX },
};

static int bad_number(const char *what, const char *text, char error[ARGUMENTS_ERROR_SIZE])
{
	char escaped[40 + 1];
	size_t len = strnlen(text, sizeof(escaped) - 1);

	/* The message goes to a terminal or a log. */
	for (size_t i = 0; i < len; i++)
		escaped[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	escaped[len] = '\0';
	snprintf(error, ARGUMENTS_ERROR_SIZE, "%s: not a number that fits: '%s'", what, escaped);
	return -EINVAL;
}

static void set_number(struct arguments *a, char letter, uint64_t value)
{
	switch (letter) {
	case 's':
		a->has_signal = true;
		a->signal = (uint32_t)value;
		break;
	case 't':
		a->has_time = true;
		a->time_s = value;
		break;
	case 'c':
		a->has_rlimit = true;
		a->rlimit_core = value;
		break;
	case 'd':
		a->has_dump_mode = true;
		a->dump_mode = (uint32_t)value;
		break;
	case 'i':
		a->has_tid = true;
		a->tid = (uint32_t)value;
		break;
	default:
		a->has_pidfd = true;
		a->pidfd = (int)value;
		break;
	}
}

/* One option, "-s11": 0, or -EINVAL. */
static int parse_option(const char *text, struct arguments *a, char error[ARGUMENTS_ERROR_SIZE])
{
	const char *value = text + 2;

	if (text[1] == 'h') {
		a->hostname = *value ? value : NULL;
		return 0;
	}
	for (size_t i = 0; i < sizeof(number_options) / sizeof(*number_options); i++) {
		uint64_t number;

		if (number_options[i].letter != text[1])
			continue;
		if (*value == '\0')
			return 0;
		if (parse_u64(value, number_options[i].max, &number) < 0)
			return bad_number(number_options[i].what, value, error);
		set_number(a, text[1], number);
		return 0;
	}
	snprintf(error, ARGUMENTS_ERROR_SIZE, "unknown option '-%c'",
		 text[1] >= 0x20 && text[1] < 0x7f ? text[1] : '?');
	return -EINVAL;
}

/*
 * Reads "[options] %P %u %g [delegate [args...]]".  -EINVAL, and error says what was wrong; what
 * was read before that stands in *ret_arguments (a->pid is 0 where it was not).
 */
int arguments_parse(int argc, char *const argv[], struct arguments *a,
		    char error[ARGUMENTS_ERROR_SIZE])
{
	static const char *const names[3] = { "pid (%P)", "uid (%u)", "gid (%g)" };
	uint64_t numbers[3];
	int i = 1;

	*a = (struct arguments){ .pidfd = -1, .dump_mode = 0 };
	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0) {
			a->action = argv[i][2] == 'h' ? ARGUMENTS_HELP : ARGUMENTS_VERSION;
			return 0;
		}
		if (strcmp(argv[i], "--pipe") == 0) {
			a->pipe_only = true;
			continue;
		}
		if (strcmp(argv[i], "--keep-house") == 0) {
			a->action = ARGUMENTS_HOUSE;
			continue;
		}
		if (strcmp(argv[i], "--verify") == 0) {
			a->verify = true;
			continue;
		}
		if (strcmp(argv[i], "-C") == 0) {
			if (i + 1 == argc) {
				snprintf(error, ARGUMENTS_ERROR_SIZE, "-C: wants a file");
				return -EINVAL;
			}
			a->config_file = argv[++i];
			continue;
		}
		int r = parse_option(argv[i], a, error);
		if (r < 0)
			return r;
	}
	if (a->action == ARGUMENTS_HOUSE) {
		if (i == argc)
			return 0;
		snprintf(error, ARGUMENTS_ERROR_SIZE, "--keep-house: wants nothing but -C FILE");
		return -EINVAL;
	}
	for (int n = 0; n < 3; n++, i++) {
		if (i >= argc) {
			snprintf(error, ARGUMENTS_ERROR_SIZE, "%s: missing", names[n]);
			return -EINVAL;
		}
		if (parse_u64(argv[i], n == 0 ? INT32_MAX : UINT32_MAX, &numbers[n]) < 0)
			return bad_number(names[n], argv[i], error);
	}
	if (numbers[0] == 0)
		return bad_number(names[0], "0", error);
	a->pid = (uint32_t)numbers[0];
	a->uid = (uint32_t)numbers[1];
	a->gid = (uint32_t)numbers[2];
	a->delegate = argv + i;
	return 0;
}
