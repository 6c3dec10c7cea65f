/* SPDX-License-Identifier: MIT */
/*
 * The server's command line, over its configuration file.
 */
#pragma once

#include <stdbool.h>

#include "config.h"

struct options {
	const char *store, *listen, *receive, *tokens, *user; /* as given, or NULL */
};

int options_read(int argc, char *argv[], struct options *ret_options, struct config *config);
