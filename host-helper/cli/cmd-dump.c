// SPDX-License-Identifier: MIT
/*
 * coreferry dump: the raw core of one crash, into a file or a pipe, as gdb wants it.
 *
 * The core holds the victim's secrets: the file is the caller's alone.  No part of a core is ever
 * left behind as if it were whole, and nothing that exists is overwritten unless that was asked
 * for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "core-export.h"
#include "crash-lookup.h"
#include "fd.h"
#include "log.h"
#include "text.h"

static volatile sig_atomic_t stopped;

struct output {
	const char *name; /* as the caller gave it */
	char *written;	  /* the path that is being written: removed unless it is finished */
	int fd;
	bool replace;
};

static void on_signal(int signal)
{
	stopped = signal;
}

/* So that a partial file is removed, too, when the operator has seen enough.  (A pipe may block in
   write(2) for ever: there a signal just ends us.) */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

static int open_stdout(struct output *output)
{
	if (isatty(STDOUT_FILENO)) {
		log_error("a core is not written to a terminal: redirect it, or name a file with "
			  "-o FILE");
		return EX_USAGE;
	}
	output->fd = STDOUT_FILENO;
	return EX_OK;
}

/* With --force the old file stays until the new one is whole, and a link is replaced, not followed.
 */
static int check_replaced(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0 || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return EX_OK;
	log_error(
		"%s is not a regular file, so it is not replaced; `-o -` writes to standard output",
		name);
	return EX_CANTCREAT;
}

static int open_output(struct output *output)
{
	if (strcmp(output->name, "-") == 0)
		return open_stdout(output);
	if (output->replace && check_replaced(output->name) != EX_OK)
		return EX_CANTCREAT;
	if (asprintf(&output->written, "%s%s", output->name, output->replace ? ".XXXXXX" : "") <
	    0) {
		output->written = NULL;
		return EX_OSERR;
	}
	output->fd = output->replace
			     ? mkostemp(output->written, O_CLOEXEC)
			     : open(output->written,
				    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (output->fd >= 0)
		return EX_OK;
	log_error("%s cannot be made: %s%s", output->name, strerror(errno),
		  errno == EEXIST ? "; --force replaces it" : "");
	free(output->written);
	output->written = NULL;
	return EX_CANTCREAT;
}

static void discard_output(struct output *output)
{
	if (output->written)
		unlink(output->written);
	if (output->fd != STDOUT_FILENO)
		fd_close(&output->fd);
	free(output->written);
	output->written = NULL;
}

/* Shows the file under its name. */
static int finish_output(struct output *output)
{
	int r = 0;

	/* Some file systems tell only now that there was no space. */
	if (output->written && close(fd_steal(&output->fd)) < 0)
		r = -errno;
	if (r == 0 && output->written && output->replace &&
	    rename(output->written, output->name) < 0)
		r = -errno;
	if (r < 0) {
		log_error("%s: %s", output->name, strerror(-r));
		discard_output(output);
		return EX_IOERR;
	}
	free(output->written);
	output->written = NULL;
	return EX_OK;
}

static int tell_no_core(const struct crash *crash)
{
	const char *reason = crash->reason ? crash->reason : "the record gives no reason";

	if (crash->core_removed) {
		log_error("%s has no core any more: it was removed: %s", crash->id,
			  crash->core_removed);
		return EX_UNAVAILABLE;
	}
	log_error("%s has no core: %s: %s", crash->id, crash_outcome_name(crash->outcome), reason);
	return EX_UNAVAILABLE;
}

/* A raw core is replaced by its compressed form at any time, so either name is taken. */
static int open_core(int dirfd, const struct crash *crash, struct core_reader **ret_reader)
{
	bool is_raw = strcmp(crash->core_file, CRASH_CORE_RAW_NAME) == 0;
	int r = core_reader_open_at(dirfd, crash->core_file, ret_reader);

	if (r == -ENOENT)
		r = core_reader_open_at(dirfd, is_raw ? CRASH_CORE_ZST_NAME : CRASH_CORE_RAW_NAME,
					ret_reader);
	if (r == 0)
		return EX_OK;
	log_error("%s: its core cannot be read: %s", crash->id,
		  r == -EBADMSG || r == -EINVAL ? "it is damaged" : strerror(-r));
	return r == -EACCES ? EX_NOPERM : r == -EBADMSG || r == -EINVAL ? EX_DATAERR : EX_IOERR;
}

static int export_result(const struct crash *crash, const struct output *output,
			 const struct core_export *export, int r)
{
	if (r == 0)
		return EX_OK;
	if (r == CORE_EXPORT_DIFFERS) {
		log_error("%s: the stored core is damaged: its SHA-256 is not the recorded %s",
			  crash->id, crash->core_sha256);
		return EX_DATAERR;
	}
	if (r == -EINTR) {
		log_error("%s: stopped by a signal", crash->id);
		return 128 + stopped;
	}
	if (export->is_writing)
		log_error("%s: cannot be written: %s",
			  output->written ? output->name : "standard output", strerror(-r));
	else
		log_error("%s: its core cannot be read: %s", crash->id,
			  r == -EBADMSG ? "it is damaged" : strerror(-r));
	return r == -EBADMSG && !export->is_writing ? EX_DATAERR : EX_IOERR;
}

static int copy_core(const struct crash *crash, struct core_reader *reader, struct output *output)
{
	/* The recorded size is what was captured: a core file that is shorter lost its end. */
	if (core_reader_size(reader) != crash->core_size) {
		log_error("%s: the stored core is damaged: it has %llu bytes and should have %llu",
			  crash->id, (unsigned long long)core_reader_size(reader),
			  (unsigned long long)crash->core_size);
		return EX_DATAERR;
	}
	int code = open_output(output);
	if (code != EX_OK)
		return code;
	struct core_export export = {
		.fd = output->fd,
		.sparse = output->written != NULL,
		.sha256 = crash->core_sha256,
		.stop = &stopped,
	};
	if (output->written)
		catch_signals();
	code = export_result(crash, output, &export, core_export(reader, &export));
	if (code != EX_OK) {
		discard_output(output);
		return code;
	}
	if (crash->outcome == CRASH_TRUNCATED)
		log_warning("%s: this is only a part of the core: %s", crash->id,
			    crash->reason ? crash->reason : "the record gives no reason");
	return finish_output(output);
}

static int dump(const struct store *store, const char *id, struct output *output)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	int r = crash_lookup_record(store, id, &dirfd, &crash, NULL, NULL);
	if (r < 0) {
		log_error("%s: %s", id, crash_lookup_strerror(r));
		return r == -EACCES ? EX_NOPERM : r == -EINVAL ? EX_DATAERR : EX_IOERR;
	}
	if (!crash.core_file)
		return tell_no_core(&crash);
	int code = open_core(dirfd, &crash, &reader);
	return code == EX_OK ? copy_core(&crash, reader, output) : code;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "force", no_argument, NULL, 'f' },
		CLI_COMMON_OPTIONS,
	};
	cleanup_store struct store store = { .crashes_fd = -1 };
	struct output output = { .fd = -1 };
	char id[CRASH_ID_SIZE];
	int option;

	while ((option = getopt_long(argc, argv, "ho:", options, NULL)) != -1) {
		int code = CLI_GO_ON;

		if (option == 'o')
			output.name = optarg;
		else if (option == 'f')
			output.replace = true;
		else
			code = cli_option(cli, option);
		if (code != CLI_GO_ON)
			return code;
	}
	if (argc - optind != 1)
		return cli_usage_error(cli, "wants the id of one crash, or `last`");
	if (!output.name || !*output.name)
		return cli_usage_error(cli, "wants -o FILE, or `-o -` for standard output");
	int code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = cli_open_store(cli, &store);
	if (code == EX_OK)
		code = crash_lookup(&store, argv[optind], id);
	return code == EX_OK ? dump(&store, id, &output) : code;
}

const struct cli_command cli_dump = {
	.name = "dump",
	.summary = "Writes the raw core of one crash",
	.arguments = "[OPTIONS] ID|last -o FILE",
	.options = "  -o, --output FILE   a new file (0600), or - for standard output\n"
		   "      --force         replaces FILE if there is one\n",
	.run = run,
};
