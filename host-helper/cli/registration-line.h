/* SPDX-License-Identifier: MIT */
/*
 * The line that we write into core_pattern, and the question whether a line is one of ours.  Pure.
 *
 * The parts are the operator's arguments; a line that is looked at may be anyone's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core-pattern.h"

#define REGISTRATION_LINE_SIZE	(CORE_PATTERN_MAX + 1)
#define REGISTRATION_ERROR_SIZE 512

int registration_line_build(const char *helper, const char *config, char *const *delegate,
			    char line[REGISTRATION_LINE_SIZE], char error[REGISTRATION_ERROR_SIZE]);
bool registration_line_is_handler(const char *pattern);
bool registration_line_is_coreferry(const char *pattern);
bool registration_line_helper(const char *pattern, char helper[REGISTRATION_LINE_SIZE]);
bool registration_line_config(const char *pattern, char config[REGISTRATION_LINE_SIZE]);
