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
	"  --listen WHERE      instead of port 8042 of lxcbr0 or of $LXC_HOST_IP: ADDR:PORT,\n"
	"                      [ADDR]:PORT for IPv6, 0.0.0.0:8042 for all, https://ADDR:PORT, or\n"
	"                      unix:/PATH[,mode=0660][,group=NAME]; may be given several times\n"
	"  --tls-certificate FILE, --tls-key FILE\n"
	"                      in PEM, for https://\n"
	"  --receive DIR       take uploads into DIR; then serves nothing unless --store is given\n"
	"  --tokens FILE       take uploads with a token of this file only (NAME RIGHTS SHA256 "
	"[DIR])\n"
	"  --user NAME|UID[:GID]\n"
	"                      whom to run as when started as root, instead of coreferry\n"
	"  --exec PROGRAM [ARGUMENT]...\n"
	"                      start this for each core that has arrived; must come last\n"
	"  --help, --version\n"
	"\n"
	"Stays in the foreground; logs to stderr; SIGHUP reads configuration, tokens and "
	"certificates\n"
	"again; SIGTERM ends it.\n";

enum {
	OPTION_CONFIG = 256,
	OPTION_STORE,
	OPTION_LISTEN,
	OPTION_TLS_CERTIFICATE,
	OPTION_TLS_KEY,
	OPTION_RECEIVE,
	OPTION_TOKENS,
	OPTION_USER,
	OPTION_EXEC,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "store", required_argument, NULL, OPTION_STORE },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "tls-certificate", required_argument, NULL, OPTION_TLS_CERTIFICATE },
	{ "tls-key", required_argument, NULL, OPTION_TLS_KEY },
	{ "receive", required_argument, NULL, OPTION_RECEIVE },
	{ "tokens", required_argument, NULL, OPTION_TOKENS },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "exec", required_argument, NULL, OPTION_EXEC },
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

static int add_listen(struct options *options, const char *text)
{
	size_t i = 0;

	while (options->listen[i])
		i++;
	if (i == OPTIONS_LISTEN_MAX) {
		log_error("--listen: at most %d times", OPTIONS_LISTEN_MAX);
		return usage_error();
	}
	options->listen[i] = text;
	return -1;
}

static int take(struct options *options, int option, char *argument, char *argv[])
{
	switch (option) {
	case OPTION_CONFIG:
		options->config = argument;
		return -1;
	case OPTION_STORE:
		options->store = argument;
		return -1;
	case OPTION_LISTEN:
		return add_listen(options, argument);
	case OPTION_TLS_CERTIFICATE:
		options->tls_certificate = argument;
		return -1;
	case OPTION_TLS_KEY:
		options->tls_key = argument;
		return -1;
	case OPTION_RECEIVE:
		options->receive = argument;
		return -1;
	case OPTION_TOKENS:
		options->tokens = argument;
		return -1;
	case OPTION_USER:
		options->user = argument;
		return -1;
	case OPTION_EXEC:
		/* The rest is the program's. */
		options->exec = &argv[optind - 1];
		return -1;
	case OPTION_HELP:
		return show(usage);
	case OPTION_VERSION:
		return show("coreferryd " COREFERRY_VERSION "\n");
	default:
		return usage_error();
	}
}

/*
 * Reads the command line.  -1: go on; else the process is to end with this status, and has said
 * why.
 */
int options_read(int argc, char *argv[], struct options *ret_options)
{
	int option, r = -1;

	while (r < 0 && !ret_options->exec &&
	       (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
		r = take(ret_options, option, optarg, argv);
	if (r >= 0 || ret_options->exec)
		return r;
	if (optind < argc) {
		fprintf(stderr, "coreferryd: unexpected argument: %s\n", argv[optind]);
		return usage_error();
	}
	return -1;
}

/* Reads the configuration file over the defaults in config. EX_OK, or it has said what is wrong. */
int options_load_config(const struct options *options, struct config *config)
{
	char error[CONFIG_ERROR_SIZE];

	if (config_load(config, options->config ? options->config : PATH_CONFIG,
			options->config != NULL, error) == 0)
		return EX_OK;
	log_error("%s", error);
	return EX_CONFIG;
}
