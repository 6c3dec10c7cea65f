// SPDX-License-Identifier: MIT
/*
 * coreferry unregister: puts back what was in force before coreferry.
 *
 * The arguments are the operator's.  It must never write over what somebody else has set since,
 * unless it is told to.
 */
#include <sysexits.h>

#include "cli.h"
#include "registration.h"
#include "store-directory.h"

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		CLI_COMMON_OPTIONS,
	};
	cleanup_store_directory struct store_directory directory = { -1, -1 };
	bool force = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int code = option == 'f' ? CLI_GO_ON : cli_option(cli, option);

		if (code != CLI_GO_ON)
			return code;
		force = force || option == 'f';
	}
	if (optind < argc)
		return cli_usage_error(cli, "takes no arguments");
	int code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = store_directory_open(cli->store_path, false, &directory);
	if (code != EX_OK)
		return code;
	return registration_unregister(cli->access, directory.fd, force);
}

const struct cli_command cli_unregister = {
	.name = "unregister",
	.summary = "Puts back what was in force before coreferry was registered",
	.arguments = "[OPTIONS]",
	.options = "      --force         even if somebody else has changed it since, or if "
		   "nothing is\n"
		   "                      remembered (then: the kernel's default)\n",
	.run = run,
};
