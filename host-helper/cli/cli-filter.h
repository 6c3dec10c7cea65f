/* SPDX-License-Identifier: MIT */
/*
 * The options that choose crashes, for list, rm and watch.
 */
#pragma once

#include "cli.h"
#include "crash-filter.h"

enum {
	CLI_FILTER_SINCE = CLI_OPTION_OWN + 0x100,
	CLI_FILTER_UNTIL,
	CLI_FILTER_PID,
	CLI_FILTER_EXE,
	CLI_FILTER_CONTAINER,
	CLI_FILTER_SIGNAL,
	CLI_FILTER_END,
};

/* clang-format off */
#define CLI_FILTER_OPTIONS                                            \
	{ "since", required_argument, NULL, CLI_FILTER_SINCE },         \
	{ "until", required_argument, NULL, CLI_FILTER_UNTIL },         \
	{ "pid", required_argument, NULL, CLI_FILTER_PID },             \
	{ "exe", required_argument, NULL, CLI_FILTER_EXE },             \
	{ "container", required_argument, NULL, CLI_FILTER_CONTAINER }, \
	{ "signal", required_argument, NULL, CLI_FILTER_SIGNAL }
/* clang-format on */

#define CLI_FILTER_HELP                                                                       \
	"      --pid PID       its pid on the host\n"                                         \
	"      --exe P         its program: a pattern of the name, or with / of the path\n"   \
	"      --container C   its container: a pattern of the name, or the id's beginning\n" \
	"      --signal S      SEGV, SIGSEGV or 11\n"                                         \
	"      --since TIME    2026-11-21, 2026-11-21T02:37:53Z, @SECONDS, or 10min (ago)\n"  \
	"      --until TIME\n"

int cli_filter_option(struct cli *cli, int option, struct crash_filter *filter);
bool cli_filter_matches(const struct crash_filter *filter, const struct crash *crash);
bool cli_filter_is_empty(const struct crash_filter *filter);
int cli_filter_read(const struct store *store, const char *id, char **text, struct crash *ret_crash,
		    bool *ret_borrowed);
