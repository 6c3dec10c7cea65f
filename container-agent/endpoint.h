/* SPDX-License-Identifier: MIT */
/*
 * URLs to push to: what is one, and what stands below it.
 */
#pragma once

#include <stddef.h>

#define ENDPOINT_ERROR_SIZE 512

char *endpoint_make_url(const char *base, const char *id, const char *suffix,
			char error[ENDPOINT_ERROR_SIZE]);
