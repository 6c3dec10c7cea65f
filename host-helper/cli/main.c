// SPDX-License-Identifier: MIT
/*
 * coreferry: the operator's command.
 *
 * Finds the subcommand in a table and runs it.  The arguments are the operator's, who is root where
 * it matters; this program gives nobody more rights than its caller has, and must never be set-uid.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cli.h"
#include "log.h"

static const struct cli_command *const commands[] = {
	&cli_register, &cli_unregister, &cli_status, &cli_list, &cli_watch,
	&cli_rm,       &cli_info,	&cli_dump,   &cli_push, NULL,
};

static void print_help(void)
{
	puts("Usage: coreferry COMMAND [OPTIONS]\n"
	     "Core dumps out of containers: registers the handler, and shows what it captured.\n\n"
	     "Commands:");
	for (const struct cli_command *const *command = commands; *command; command++)
		printf("  %-12s %s\n", (*command)->name, (*command)->summary);
	puts("  help         Tells how coreferry, or `help COMMAND`, is called\n\n"
	     "  --help, --version\n\n"
	     "See coreferry(1).");
}

static const struct cli_command *find_command(const char *name)
{
	for (const struct cli_command *const *command = commands; *command; command++)
		if (strcmp((*command)->name, name) == 0)
			return *command;
	log_error("'%s' is not a command; `coreferry help` lists them", name);
	return NULL;
}

static int run_help(const char *name)
{
	if (!name) {
		print_help();
		return EX_OK;
	}
	const struct cli_command *command = find_command(name);
	if (!command)
		return EX_USAGE;
	cli_print_usage(command);
	return EX_OK;
}

static int run_command(int argc, char **argv)
{
	struct cli cli = { .access = &kernel_access_real, .command = find_command(argv[1]) };
	char name[64];

	if (!cli.command)
		return EX_USAGE;
	/* getopt(3) puts argv[0] before its messages. */
	snprintf(name, sizeof(name), "coreferry %s", cli.command->name);
	argv[1] = name;
	int code = cli.command->run(&cli, argc - 1, argv + 1);
	cli_release(&cli);
	return code;
}

int main(int argc, char **argv)
{
	int code;

	log_init("coreferry", false);
	/* What others may read of what we make is said by its mode, not by the operator's shell. */
	umask(022);

	if (argc < 2) {
		log_error("wants a command; `coreferry help` lists them");
		code = EX_USAGE;
	} else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		code = run_help(NULL);
	} else if (strcmp(argv[1], "help") == 0) {
		code = run_help(argv[2]);
	} else if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("coreferry " COREFERRY_VERSION);
		code = EX_OK;
	} else {
		code = run_command(argc, argv);
	}
	/* A full disk behind a pipe of ours must not look like a short list. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("standard output cannot be written");
		code = code == EX_OK ? EX_IOERR : code;
	}
	exit(code);
}
