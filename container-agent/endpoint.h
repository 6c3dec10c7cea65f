/* SPDX-License-Identifier: MIT */
/*
 * Where the core goes: from the environment, the container's configuration, or the host's.
 */
#pragma once

#include <stddef.h>

#define ENDPOINT_ERROR_SIZE 512

char *endpoint_make_url(const char *base, const char *id, const char *suffix,
			char error[ENDPOINT_ERROR_SIZE]);
int endpoint_find(const char *option, const char *config_file, char **ret_url,
		  char error[ENDPOINT_ERROR_SIZE]);
