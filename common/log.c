// SPDX-License-Identifier: MIT
/*
 * Messages for the operator: on stderr, and, for a program that the kernel started, in the kernel's
 * log (where journald and dmesg find them).
 *
 * A message may hold bytes that someone else chose: it is escaped and cut here, so that it stays
 * one line of bounded length whatever they are.
 */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "text.h"

#define LOG_MESSAGE_MAX 1024

static const char *log_program = "coreferry";
static bool log_to_kernel;

/* Names the program (a string that stays); use_kernel_log: to /dev/kmsg instead of stderr. */
void log_init(const char *program, bool use_kernel_log)
{
	log_program = program;
	log_to_kernel = use_kernel_log;
}

static void log_line(enum log_level level, const char *text)
{
	char line[LOG_MESSAGE_MAX * 4 + 128];

	if (!log_to_kernel) {
		int n = snprintf(line, sizeof(line), "%s: %s\n", log_program, text);

		(void)!write(STDERR_FILENO, line, (size_t)n);
		return;
	}

	/* printk cuts a record at about 1,000 bytes; facility 3 (daemon) tells it from the kernel's
	 * own. */
	int n = snprintf(line, sizeof(line), "<%d>%s[%d]: %.900s\n", 3 << 3 | (int)level,
			 log_program, (int)getpid(), text);
	cleanup_fd int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0)
		(void)!write(fd, line, (size_t)n);
}

/* Logs one message, printf(3) style, without the line's end. */
void log_message(enum log_level level, const char *format, ...)
{
	char text[LOG_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	cleanup_free char *escaped = text_escape(text, strlen(text));
	if (escaped)
		log_line(level, escaped);
}
