/* SPDX-License-Identifier: MIT */
/*
 * Messages for the operator: on stderr, and, for a program that the kernel started, in the kernel's
 * log.  A message is one line; what stands in it of someone else's bytes is escaped here.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

void log_init(const char *program, bool use_kernel_log);
__attribute__((format(printf, 2, 3))) void log_message(enum log_level level, const char *format,
						       ...);

#define log_error(...)	 log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_message(LOG_LEVEL_INFO, __VA_ARGS__)
