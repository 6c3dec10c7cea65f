// SPDX-License-Identifier: MIT
/*
 * coreferry-helper: the kernel starts it for every crash, as root, with the core on stdin.
 * Here it becomes a process of its own kind; handle.c is the way of a crash.
 *
 * Its arguments are the kernel's; the core and all of /proc/PID are the victim's.  It must never
 * lose a crash without a word, hold a victim for longer than it has to, or do anything for the
 * container with more rights than the victim had.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "arguments.h"
#include "capture.h"
#include "config.h"
#include "core-pattern.h"
#include "delegate-child.h"
#include "delivery-left-over.h"
#include "fd.h"
#include "handle.h"
#include "house.h"
#include "log.h"
#include "paths.h"
#include "victim.h"

static void print_usage(FILE *to)
{
	fputs("usage: coreferry-helper [options] PID UID GID [DELEGATE [ARGUMENT...]]\n"
	      "\n"
	      "The kernel starts this program for every crash, with the core on its stdin.  The "
	      "line\n"
	      "in /proc/sys/kernel/core_pattern must look like this (at most 127 characters):\n"
	      "\n"
	      "  |" PATH_HELPER " " CORE_PATTERN_ARGUMENTS "\n"
	      "\n"
	      "The numbers %P %u %g alone are enough.  'coreferry register' writes that line.\n"
	      "\n"
	      "  -s%s  signal              -t%t  time of the crash     -c%c  RLIMIT_CORE\n"
	      "  -d%d  dump mode           -i%I  thread, host's id     -F%F  pidfd (Linux 6.16)\n"
	      "  -h%h  host name\n"
	      "  --verify    compares what is read from memory with the kernel's stream: slow\n"
	      "  --pipe      takes the core from the kernel's stream only: slower\n"
	      "  -C FILE     configuration, instead of " PATH_CONFIG "\n"
	      "  --keep-house [-C FILE]: no crash: removes what is over the limits, and finishes\n"
	      "              what was left over\n"
	      "  --help      this text\n"
	      "  --version   the version\n"
	      "\n"
	      "DELEGATE: a program of the container, which gets the core on its stdin, instead of\n"
	      "coreferry-agent.  See coreferry-helper(8).\n",
	      to);
}

/* The kernel starts us with fd 0 (and 3) only: no file that is opened later must become 1 or 2. */
static bool fill_standard_descriptors(void)
{
	bool has_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return has_stderr;
}

/* Moves the pipe off stdin, so that releasing the victim leaves no gap there. */
static int take_pipe(void)
{
	int pipe_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (null < 0 || pipe_fd < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	return pipe_fd;
}

static void prepare_process(void)
{
	/* 1 is what the kernel gives a handler: whoever has it is not dumped through a pipe, so
	   neither we nor our children set off another handler. */
	const struct rlimit no_core = { 1, 1 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	(void)!chdir("/");
}

static void load_config(const struct arguments *arguments, struct config *config,
			char error[CONFIG_ERROR_SIZE])
{
	const char *path = arguments->config_file ? arguments->config_file : PATH_CONFIG;

	if (config_load(config, path, arguments->config_file != NULL, error) < 0)
		log_error("%s; the core is stored, but not handed over", error);
	if (getenv("DOCKERCOREHELPER_FALLBACK_CORE"))
		config->fallback_core = true;
}

/* By a timer: the limits hold where no crash comes, too. */
static int keep_house(const struct arguments *arguments)
{
	const char *path = arguments->config_file ? arguments->config_file : PATH_CONFIG;
	char error[CONFIG_ERROR_SIZE];
	struct config config;

	prepare_process();
	if (config_init(&config) < 0)
		return EX_OSERR;
	/* With limits that nobody wanted nothing is removed. */
	int r = config_load(&config, path, arguments->config_file != NULL, error);
	if (r < 0)
		log_error("%s", error);
	bool is_kept = r == 0 && house_keep_alone(&config);
	config_release(&config);
	return r < 0 ? EX_CONFIG : is_kept ? EX_OK : EX_CANTCREAT;
}

int main(int argc, char *argv[])
{
	/* We, again, as the child that becomes the container's program: delegate-child.c. */
	if (argc > 1 && strcmp(argv[1], DELEGATE_CHILD_OPTION) == 0)
		return delegate_child_main(argc, argv);

	bool by_hand = fill_standard_descriptors();
	struct arguments arguments;
	struct config config;
	struct victim victim;
	struct capture capture;
	char error[ARGUMENTS_ERROR_SIZE], config_error[CONFIG_ERROR_SIZE] = "";

	log_init("coreferry-helper", !by_hand);
	if (arguments_parse(argc, argv, &arguments, error) < 0) {
		log_error("%s", error);
		if (by_hand)
			print_usage(stderr);
		return EX_USAGE;
	}
	if (arguments.action == ARGUMENTS_HELP) {
		print_usage(stdout);
		return EX_OK;
	}
	if (arguments.action == ARGUMENTS_VERSION) {
		puts("coreferry-helper " COREFERRY_VERSION);
		return EX_OK;
	}

	if (arguments.action == ARGUMENTS_HOUSE)
		return keep_house(&arguments);

	int pipe_fd = take_pipe();
	victim_init(&victim, pipe_fd);
	prepare_process();
	capture_init(&capture);
	if (pipe_fd < 0 || config_init(&config) < 0) {
		log_error("pid %u crashed: %s", arguments.pid,
			  pipe_fd < 0 ? strerror(-pipe_fd) : "out of memory");
		return EX_OSERR;
	}
	load_config(&arguments, &config, config_error);

	int r = victim_open(&victim, &arguments);
	if (r < 0 && by_hand) {
		capture_end(&capture);
		log_error("pid %u: no such process: %s", arguments.pid, strerror(-r));
		return EX_NOINPUT;
	}
	if (r < 0)
		log_warning("pid %u crashed, and cannot be looked at: %s", arguments.pid,
			    strerror(-r));
	bool recorded = handle_crash(&arguments, &config, config_error, &victim, &capture);

	victim_close(&victim);
	delivery_left_over(&config, config_error);
	config_release(&config);
	return recorded ? EX_OK : EX_CANTCREAT;
}
