/* SPDX-License-Identifier: MIT */
/*
 * What every subcommand of coreferry has in common: its options, the configuration, the store.
 *
 * The arguments are the operator's; the configuration is root's; the store's records hold what
 * victims chose.
 */
#pragma once

#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "crash.h"
#include "kernel-settings.h"
#include "registration-line.h"
#include "store.h"

struct cli_command;

struct cli {
	const struct cli_command *command;
	const struct kernel_access *access;
	const char *store_option;  /* --store, or NULL */
	const char *config_option; /* --config, or NULL */

	/* cli_load() fills these in. */
	struct config config;
	const char *store_path;
	char config_path[PATH_MAX];
	bool config_is_good;
	char config_error[CONFIG_ERROR_SIZE];
};

struct cli_command {
	const char *name;
	const char *summary;
	const char *arguments; /* what stands behind the name */
	const char *options;   /* its own options, one per line */
	int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct cli_command cli_register, cli_unregister, cli_status, cli_list, cli_info,
	cli_dump, cli_push, cli_rm, cli_watch;

/* Ends the list of a command's own struct option. */
/* clang-format off */
#define CLI_COMMON_OPTIONS                                      \
	{ "store", required_argument, NULL, CLI_OPTION_STORE },   \
	{ "config", required_argument, NULL, CLI_OPTION_CONFIG }, \
	{ "help", no_argument, NULL, 'h' },                       \
	{ NULL, 0, NULL, 0 }
/* clang-format on */

enum { CLI_OPTION_STORE = 0x100, CLI_OPTION_CONFIG, CLI_OPTION_OWN };

/* What cli_load() does about a configuration that is not good. */
enum cli_load_mode {
	CLI_LOAD_STRICT, /* ends; only the file that was named, or the default one, is looked at */
	CLI_LOAD_WARN,	 /* tells, and goes on with what could be understood */
	CLI_LOAD_QUIET,	 /* leaves the telling to the caller */
};

/* cli_option(): go on with the next option. */
#define CLI_GO_ON (-1)

void cli_print_usage(const struct cli_command *command);
int cli_option(struct cli *cli, int option);
int cli_usage_error(const struct cli *cli, const char *what);
int cli_load(struct cli *cli, enum cli_load_mode mode);
void cli_release(struct cli *cli);
int cli_open_store(const struct cli *cli, struct store *ret_store);
