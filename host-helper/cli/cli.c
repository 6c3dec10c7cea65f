// SPDX-License-Identifier: MIT
/*
 * What every subcommand of coreferry has in common: its options, the configuration, the store.
 *
 * The arguments are the operator's; the configuration is root's, or config_load() refuses it.  An
 * option always wins over the configuration.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"

/* Prints how the command is called, on stdout. */
void cli_print_usage(const struct cli_command *command)
{
	printf("Usage: coreferry %s %s\n%s.\n\nOptions:\n%s", command->name, command->arguments,
	       command->summary, command->options);
	fputs("      --store DIR     the store (else the configuration's, else " PATH_STORE ")\n"
	      "      --config FILE   the configuration (default: " PATH_CONFIG ")\n"
	      "  -h, --help          this text\n",
	      stdout);
}

/* Tells what is wrong with the arguments (NULL: getopt(3) did already). EX_USAGE. */
int cli_usage_error(const struct cli *cli, const char *what)
{
	if (what)
		log_error("%s: %s", cli->command->name, what);
	log_info("`coreferry help %s` tells how it is called", cli->command->name);
	return EX_USAGE;
}

/* Takes an option that all commands have. CLI_GO_ON, or the exit code with which to end. */
int cli_option(struct cli *cli, int option)
{
	switch (option) {
	case CLI_OPTION_STORE:
		cli->store_option = optarg;
		if (optarg[0] != '/')
			return cli_usage_error(cli, "--store wants an absolute path");
		return CLI_GO_ON;
	case CLI_OPTION_CONFIG:
		cli->config_option = optarg;
		return CLI_GO_ON;
	case 'h':
		cli_print_usage(cli->command);
		return EX_OK;
	default:
		return cli_usage_error(cli, NULL);
	}
}

/*
 * Which configuration counts: the one that was named; else the one that the helper in force was
 * given, so that one need not repeat it; else the default one. True: it has to exist.
 */
static bool find_config(struct cli *cli, enum cli_load_mode mode)
{
	char pattern[KERNEL_SETTING_SIZE], named[REGISTRATION_LINE_SIZE];

	if (cli->config_option) {
		snprintf(cli->config_path, sizeof(cli->config_path), "%s", cli->config_option);
		return true;
	}
	if (mode != CLI_LOAD_STRICT &&
	    kernel_setting_read(cli->access, KERNEL_CORE_PATTERN, pattern) == 0 &&
	    registration_line_config(pattern, named)) {
		snprintf(cli->config_path, sizeof(cli->config_path), "%s", named);
		return true;
	}
	snprintf(cli->config_path, sizeof(cli->config_path), "%s", PATH_CONFIG);
	return false;
}

/*
 * Reads the configuration and settles the store's path.  Tells what is wrong, as `mode` says;
 * EX_OK: go on (cli->config_is_good tells), else the exit code.  cli_release() it in any case.
 */
int cli_load(struct cli *cli, enum cli_load_mode mode)
{
	if (config_init(&cli->config) < 0) {
		log_error("out of memory");
		return EX_OSERR;
	}
	bool must_exist = find_config(cli, mode);
	int r = config_load(&cli->config, cli->config_path, must_exist, cli->config_error);

	cli->config_is_good = r == 0;
	cli->store_path = cli->store_option ? cli->store_option : cli->config.store;
	if (r == 0 || mode == CLI_LOAD_QUIET)
		return EX_OK;
	if (mode == CLI_LOAD_STRICT) {
		log_error("%s", cli->config_error);
		return EX_CONFIG;
	}
	log_warning("%s; going on without that, the store is %s", cli->config_error,
		    cli->store_path);
	return EX_OK;
}

/* Frees what cli_load() made. */
void cli_release(struct cli *cli)
{
	config_release(&cli->config);
	cli->store_path = NULL;
}

/* Opens the store for reading. Tells what is wrong; returns a sysexits(3) code. */
int cli_open_store(const struct cli *cli, struct store *ret_store)
{
	int r = store_open(cli->store_path, false, ret_store);

	if (r == 0)
		return EX_OK;
	if (r == -EACCES || r == -EPERM) {
		log_error("the store %s: %s; run this as root, or as a member of the group of "
			  "%s/crashes",
			  cli->store_path, strerror(-r), cli->store_path);
		return EX_NOPERM;
	}
	log_error("the store %s: %s%s", cli->store_path, strerror(-r),
		  r == -ENOENT ? "; `coreferry register` makes it, --store names another" : "");
	return r == -ENOENT ? EX_NOINPUT : EX_IOERR;
}
