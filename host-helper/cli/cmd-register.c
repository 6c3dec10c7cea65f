// SPDX-License-Identifier: MIT
/*
 * coreferry register: makes the helper the kernel's handler of core dumps.
 *
 * What is registered runs as root for every crash on the machine, those in containers, too.  The
 * arguments are the operator's; a helper or a configuration that anybody else could replace is
 * refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "registration.h"
#include "safe-path.h"
#include "store-directory.h"

#define PIPE_LIMIT_DEFAULT "1024"
#define PIPE_LIMIT_MAX	   INT32_MAX /* an int in the kernel */
#define SUID_DUMPABLE_MAX  2

enum { OPTION_HELPER = CLI_OPTION_OWN, OPTION_PIPE_LIMIT, OPTION_SUID_DUMPABLE, OPTION_FORCE };

struct arguments {
	const char *helper;
	char *const *delegate; /* up to NULL */
	char pipe_limit[16], suid_dumpable[4];
	bool force;
};

static bool take_number(const char *text, uint64_t max, char *value, size_t size)
{
	uint64_t number;

	if (parse_u64(text, max, &number) < 0)
		return false;
	snprintf(value, size, "%lu", (unsigned long)number);
	return true;
}

static int parse_option(struct cli *cli, int option, struct arguments *arguments)
{
	switch (option) {
	case OPTION_HELPER:
		arguments->helper = optarg;
		return CLI_GO_ON;
	case OPTION_PIPE_LIMIT:
		if (!take_number(optarg, PIPE_LIMIT_MAX, arguments->pipe_limit,
				 sizeof(arguments->pipe_limit)))
			return cli_usage_error(cli, "--pipe-limit wants a number of crashes");
		return CLI_GO_ON;
	case OPTION_SUID_DUMPABLE:
		if (!take_number(optarg, SUID_DUMPABLE_MAX, arguments->suid_dumpable,
				 sizeof(arguments->suid_dumpable)))
			return cli_usage_error(cli, "--suid-dumpable wants 0, 1 or 2");
		return CLI_GO_ON;
	case OPTION_FORCE:
		arguments->force = true;
		return CLI_GO_ON;
	default:
		return cli_option(cli, option);
	}
}

static int parse_arguments(struct cli *cli, int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "helper", required_argument, NULL, OPTION_HELPER },
		{ "pipe-limit", required_argument, NULL, OPTION_PIPE_LIMIT },
		{ "suid-dumpable", required_argument, NULL, OPTION_SUID_DUMPABLE },
		{ "force", no_argument, NULL, OPTION_FORCE },
		CLI_COMMON_OPTIONS,
	};
	int option;

	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		int code = parse_option(cli, option, arguments);

		if (code != CLI_GO_ON)
			return code;
	}
	/* A mistyped option must not become a delegate that every crash starts. */
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return cli_usage_error(cli, "a delegate stands behind `--`");
	arguments->delegate = argv + optind;
	return CLI_GO_ON;
}

/* The real path of the configuration if it has to be named in the line, else NULL in *ret_real. */
static int check_config(const struct cli *cli, char **ret_real)
{
	char error[SAFE_PATH_ERROR_SIZE];
	cleanup_free char *real = NULL;

	if (!cli->config_option)
		return EX_OK;
	int r = safe_path_check(cli->config_option, SAFE_PATH_FILE, &real, error);
	if (r < 0) {
		log_error("the configuration: %s", error);
		return EX_CONFIG;
	}
	if (strcmp(real, PATH_CONFIG) != 0)
		*ret_real = ptr_steal(&real);
	return EX_OK;
}

static int make_line(const struct cli *cli, const struct arguments *arguments,
		     char line[REGISTRATION_LINE_SIZE])
{
	char error[REGISTRATION_ERROR_SIZE];
	cleanup_free char *helper = NULL, *config = NULL;

	_Static_assert(SAFE_PATH_ERROR_SIZE <= REGISTRATION_ERROR_SIZE, "one buffer for both");
	int r = safe_path_check(arguments->helper, SAFE_PATH_PROGRAM, &helper, error);
	if (r < 0) {
		log_error("the helper: %s%s", error,
			  r == -ENOENT ? "; install it, or name it with --helper" : "");
		return r == -ENOENT ? EX_NOINPUT : EX_NOPERM;
	}
	int code = check_config(cli, &config);
	if (code != EX_OK)
		return code;
	r = registration_line_build(helper, config, arguments->delegate, line, error);
	if (r < 0) {
		log_error("%s", error);
		return EX_USAGE;
	}
	return EX_OK;
}

static void warn(const struct cli *cli, const struct arguments *arguments)
{
	if (strcmp(arguments->pipe_limit, "0") == 0)
		log_warning(
			"core_pipe_limit 0: the kernel will not wait for the helper, so most of "
			"what it records will be gone before it can be read");
	if (strcmp(cli->store_path, cli->config.store) != 0)
		log_warning(
			"the helper stores in %s, as %s says; %s is only where the registration "
			"is remembered: put `store = %s` into a configuration and name it with "
			"--config",
			cli->config.store, cli->config_path, cli->store_path, cli->store_path);
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct arguments arguments = { .helper = PATH_HELPER, .pipe_limit = PIPE_LIMIT_DEFAULT };
	cleanup_store_directory struct store_directory directory = { -1, -1 };
	char line[REGISTRATION_LINE_SIZE];

	int code = parse_arguments(cli, argc, argv, &arguments);
	if (code != CLI_GO_ON)
		return code;
	if (geteuid() != 0) {
		log_error("the kernel's settings are root's: run this as root");
		return EX_NOPERM;
	}
	code = cli_load(cli, CLI_LOAD_STRICT);
	if (code == EX_OK)
		code = make_line(cli, &arguments, line);
	if (code == EX_OK)
		code = store_directory_open(cli->store_path, true, &directory);
	if (code != EX_OK)
		return code;
	warn(cli, &arguments);

	const struct registration_request request = {
		.line = line,
		.pipe_limit = arguments.pipe_limit,
		.suid_dumpable = *arguments.suid_dumpable ? arguments.suid_dumpable : NULL,
		.force = arguments.force,
	};
	return registration_register(cli->access, directory.fd, &request);
}

const struct cli_command cli_register = {
	.name = "register",
	.summary = "Makes coreferry-helper the kernel's handler of core dumps",
	.arguments = "[OPTIONS] [-- DELEGATE [ARGUMENTS]]",
	.options =
		"      --helper PATH   the helper (default: " PATH_HELPER ")\n"
		"      --pipe-limit N  crashes handled at once (default: " PIPE_LIMIT_DEFAULT ")\n"
		"      --suid-dumpable 0|1|2\n"
		"                      sets fs.suid_dumpable, too (default: left alone)\n"
		"      --force         takes over a coreferry line that is not remembered\n",
	.run = run,
};
