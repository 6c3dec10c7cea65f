/* SPDX-License-Identifier: MIT */
/*
 * The server's command line, over its configuration file.
 */
#pragma once

#include <stdbool.h>

#include "config.h"

#define OPTIONS_LISTEN_MAX 16

struct options {
	const char *config;			     /* NULL: the usual one, which may be missing */
	const char *store, *receive, *tokens, *user; /* as given, or NULL */
	const char *tls_certificate, *tls_key;
	const char *listen[OPTIONS_LISTEN_MAX + 1]; /* then NULL */
	char **exec; /* --exec: the program and its arguments, or NULL */
};

int options_read(int argc, char *argv[], struct options *ret_options);
int options_load_config(const struct options *options, struct config *config);
