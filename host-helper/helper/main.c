// SPDX-License-Identifier: MIT
/*
 * coreferry-helper: the kernel starts it for every crash, as root, with the core on stdin.
 * This file is the way of a crash: victim, record, capture, release, delegate.
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
#include "clock.h"
#include "config.h"
#include "core-pattern.h"
#include "crash.h"
#include "delegate-child.h"
#include "delegate.h"
#include "fd.h"
#include "log.h"
#include "paths.h"
#include "record.h"
#include "store.h"
#include "victim.h"

#define NICE_AFTER_RELEASE   10
#define DIGEST_RAW_MAX_BYTES (16ULL << 30)

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

struct run {
	struct arguments arguments;
	struct config config;
	char config_error[CONFIG_ERROR_SIZE]; /* "" or why nothing of it is trusted */
	struct victim victim;
	struct crash crash;
	struct store store;
	int dirfd; /* the crash's directory, or -1: there is none */
	struct capture_request request;
	struct capture capture;
};

/* Where the configuration is in doubt the core is stored all the same, and nothing is handed over.
 */
static void load_config(struct run *run)
{
	const char *path = run->arguments.config_file ? run->arguments.config_file : PATH_CONFIG;
	int r = config_load(&run->config, path, run->arguments.config_file != NULL,
			    run->config_error);

	if (r < 0)
		log_error("%s; the core is stored, but not handed over", run->config_error);
	if (getenv("DOCKERCOREHELPER_FALLBACK_CORE"))
		run->config.fallback_core = true;
}

static int open_directory(struct run *run)
{
	int r = store_open(run->config.store, true, &run->store);

	if (r == 0)
		r = record_begin(&run->store, &run->crash, run->arguments.pid, &run->dirfd);
	if (r < 0)
		log_error("pid %u crashed: no record: %s: %s", run->arguments.pid,
			  run->config.store, strerror(-r));
	return r;
}

static void start_capture(struct run *run)
{
	const struct proc_status *status = &run->victim.status;

	run->request = (struct capture_request){
		.pipe_fd = run->victim.pipe_fd,
		.dirfd = run->dirfd,
		.procfd = run->victim.is_dumping && !run->arguments.pipe_only ? run->victim.procfd
									      : -1,
		.resident_bytes = (status->resident_kib + status->swapped_kib) << 10,
		.spool_max = run->config.spool_max,
		.max_block_ms = run->config.max_block_ms,
		.max_copied = UINT64_MAX,
		.max_offset = UINT64_MAX,
		.verify = run->arguments.verify,
	};
	capture_start(&run->capture, &run->request);
}

static void own_core(const struct run *run, const char *name)
{
	cleanup_fd int core =
		name ? openat(run->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (core < 0)
		return;
	(void)store_own_file(&run->store, core, run->crash.root_only);
	record_set_xattrs(core, &run->crash);
}

static void write_record(const struct run *run)
{
	int r = store_write_record(&run->store, run->dirfd, &run->crash);

	if (r < 0)
		log_error("crash %s: its record could not be written: %s", run->crash.id,
			  strerror(-r));
}

/* The record first: on a full disk the rest may not find room. */
static void publish(struct run *run)
{
	run->crash.held_us = run->victim.held_us;
	run->crash.published_us = clock_now_us();
	write_record(run);
	record_write_snapshot(&run->store, run->dirfd, &run->victim);
	int r = store_publish(&run->store, run->crash.id);
	if (r < 0)
		log_error("crash %s: could not be published: %s", run->crash.id, strerror(-r));
}

static void check_hold(void *context)
{
	struct run *run = context;

	victim_check_hold(&run->victim);
}

/* The spool makes way for what it was compressed to: the record first, so that it names what there
 * is. */
static void compress(struct run *run)
{
	bool raw = run->crash.core_file && strcmp(run->crash.core_file, CRASH_CORE_RAW_NAME) == 0;
	int r = capture_compress(run->dirfd, &run->crash, DIGEST_RAW_MAX_BYTES, check_hold, run);

	if (r < 0)
		log_warning("crash %s: stays as it is, not compressed: %s", run->crash.id,
			    strerror(-r));
	if (r < 0 || !raw)
		return;
	own_core(run, run->crash.core_file);
	write_record(run);
	(void)unlinkat(run->dirfd, CRASH_CORE_RAW_NAME, 0);
}

/* Ends the victim's time, unless it is held. */
static void finish_capture(struct run *run, struct capture_result *result)
{
	capture_finish(&run->capture, result);
	victim_hold(&run->victim, run->config.hold_max_ms);
	/* With the memory taken directly the kernel waits at the pipe, and sees at once that it is
	 * closed. */
	if (result->end == CAPTURE_TIME_OVER && !result->from_memory)
		victim_abandon(&run->victim);
	/* Whether there is something to hold the victim for is not known before the outcome is. */
	if (!run->victim.is_init && run->config.hold != CONFIG_HOLD_ALWAYS)
		victim_release(&run->victim);
	capture_check(&run->capture, result);
	capture_end(&run->capture);
}

/* The way of a crash. */
static void handle_crash(struct run *run)
{
	struct delegation delegation = {
		.arguments = &run->arguments,
		.config = &run->config,
		.config_error = run->config_error[0] ? run->config_error : NULL,
		.victim = &run->victim,
		.crash = &run->crash,
	};
	struct capture_result captured;

	if (open_directory(run) < 0)
		return;
	delegation.dirfd = run->dirfd;
	start_capture(run);
	/* Meanwhile, in the victim's time too: all that is known only as long as it is there. */
	victim_snapshot(&run->victim, &run->arguments);
	finish_capture(run, &captured);

	if (record_fill(&run->crash, &run->arguments, &run->victim) < 0)
		log_error("pid %u crashed: out of memory for its record", run->arguments.pid);
	capture_describe(&run->request, &captured, &run->crash);
	own_core(run, run->crash.core_file);
	if (!delegate_wants_hold(&delegation))
		victim_release(&run->victim);

	publish(run);
	/* Nobody waits from here on: others first. */
	if (run->victim.pipe_fd < 0)
		(void)setpriority(PRIO_PROCESS, 0, NICE_AFTER_RELEASE);
	compress(run);
	record_sync(run->dirfd, run->crash.core_file);
	capture_digests(run->dirfd, &run->crash, DIGEST_RAW_MAX_BYTES, check_hold, run);
	write_record(run);
	delegate_core(&delegation);
	run->crash.held_us = run->victim.held_us;
	write_record(run);
}

int main(int argc, char *argv[])
{
	/* We, again, as the child that becomes the container's program: delegate-child.c. */
	if (argc > 1 && strcmp(argv[1], DELEGATE_CHILD_OPTION) == 0)
		return delegate_child_main(argc, argv);

	bool by_hand = fill_standard_descriptors();
	struct run run = { .dirfd = -1, .store = { .crashes_fd = -1 } };
	char error[ARGUMENTS_ERROR_SIZE];

	log_init("coreferry-helper", !by_hand);
	if (arguments_parse(argc, argv, &run.arguments, error) < 0) {
		log_error("%s", error);
		if (by_hand)
			print_usage(stderr);
		return EX_USAGE;
	}
	if (run.arguments.action == ARGUMENTS_HELP) {
		print_usage(stdout);
		return EX_OK;
	}
	if (run.arguments.action == ARGUMENTS_VERSION) {
		puts("coreferry-helper " COREFERRY_VERSION);
		return EX_OK;
	}

	int pipe_fd = take_pipe();
	victim_init(&run.victim, pipe_fd);
	prepare_process();
	crash_init(&run.crash);
	if (pipe_fd < 0 || config_init(&run.config) < 0) {
		log_error("pid %u crashed: %s", run.arguments.pid,
			  pipe_fd < 0 ? strerror(-pipe_fd) : "out of memory");
		return EX_OSERR;
	}
	load_config(&run);

	int r = victim_open(&run.victim, &run.arguments);
	if (r < 0 && by_hand) {
		log_error("pid %u: no such process: %s", run.arguments.pid, strerror(-r));
		return EX_NOINPUT;
	}
	if (r < 0)
		log_warning("pid %u crashed, and cannot be looked at: %s", run.arguments.pid,
			    strerror(-r));
	handle_crash(&run);

	bool recorded = run.dirfd >= 0;
	victim_close(&run.victim);
	crash_release(&run.crash);
	config_release(&run.config);
	store_close(&run.store);
	fd_close(&run.dirfd);
	return recorded ? EX_OK : EX_CANTCREAT;
}
