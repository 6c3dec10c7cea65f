// SPDX-License-Identifier: MIT
/*
 * The server's command line, over its configuration file.
 *
 * Both are the operator's.  What cannot be understood ends the start: nothing is guessed.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "log.h"
#include "paths.h"

static const char usage[] =
	"Usage: coreferryd [OPTION]...\n"
	"Serves the newest core over HTTP (GET /core), or receives cores (PUT "
	"/ANYTHING/ID.core.zst, or tus).\n"
	"\n"
	"  --config FILE       instead of " PATH_CONFIG "\n"
	"  --store DIR         serve from this store, instead of " PATH_STORE "\n"
	"  --listen ADDR:PORT  instead of port 8042 of lxcbr0 or of $LXC_HOST_IP;\n"
	"                      [ADDR]:PORT for IPv6, 0.0.0.0:8042 for all\n"
	"  --receive DIR       take uploads into DIR; then serves nothing unless --store is given\n"
	"  --tokens FILE       take uploads with a token of this file only (NAME RIGHTS SHA256 "
	"[DIR])\n"
	"  --user NAME|UID[:GID]\n"
	"                      whom to run as when started as root, instead of coreferry\n"
	"  --help, --version\n"
	"\n"
	"Stays in the foreground; logs to stderr; SIGTERM ends it.\n";

enum {
	OPTION_CONFIG = 256,
	OPTION_STORE,
	OPTION_LISTEN,
	OPTION_RECEIVE,
	OPTION_TOKENS,
	OPTION_USER,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "store", required_argument, NULL, OPTION_STORE },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "receive", required_argument, NULL, OPTION_RECEIVE },
	{ "tokens", required_argument, NULL, OPTION_TOKENS },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int show(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : EX_OK;
}

static int usage_error(void)
{
	fputs("Try 'coreferryd --help'.\n", stderr);
	return EX_USAGE;
}

/*
 * Reads the command line, and then the configuration file over the defaults in config.
 * -1: go on; else the process is to end with this status, and has said why.
 */
int options_read(int argc, char *argv[], struct options *ret_options, struct config *config)
{
	char error[CONFIG_ERROR_SIZE];
	const char *file = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (option) {
		case OPTION_CONFIG:
			file = optarg;
			break;
		case OPTION_STORE:
			ret_options->store = optarg;
			break;
		case OPTION_LISTEN:
			ret_options->listen = optarg;
			break;
		case OPTION_RECEIVE:
			ret_options->receive = optarg;
			break;
		case OPTION_TOKENS:
			ret_options->tokens = optarg;
			break;
		case OPTION_USER:
			ret_options->user = optarg;
			break;
		case OPTION_HELP:
			return show(usage);
		case OPTION_VERSION:
			return show("coreferryd " COREFERRY_VERSION "\n");
		default:
			return usage_error();
		}
	if (optind < argc) {
		fprintf(stderr, "coreferryd: unexpected argument: %s\n", argv[optind]);
		return usage_error();
	}
	if (config_load(config, file ? file : PATH_CONFIG, file != NULL, error) < 0) {
		log_error("%s", error);
		return EX_CONFIG;
	}
	return -1;
}
