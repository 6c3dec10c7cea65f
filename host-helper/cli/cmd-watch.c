// SPDX-License-Identifier: MIT
/*
 * coreferry watch: shows crashes as they are published.
 *
 * The names in the store are root's; what stands in the records is the victim's.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli-filter.h"
#include "cli.h"
#include "crash-lookup.h"
#include "crash-row.h"
#include "fd.h"
#include "log.h"

#define EVENT_BYTES (64U << 10)

struct watch {
	struct store store;
	struct crash_filter filter;
	bool json, once;
};

/* In one line, ASCII only. */
static int print_json(const char *text, size_t len)
{
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int r = object ? json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) : -1;

	json_decref(object);
	return r < 0 ? r : putchar('\n');
}

/* True if the crash was shown. */
static bool show(const struct watch *watch, const char *id)
{
	cleanup_crash struct crash crash;
	cleanup_free char *text = NULL;
	struct crash_row row = { 0 };
	size_t len;

	crash_init(&crash);
	int r = crash_lookup_record(&watch->store, id, NULL, &crash, &text, &len);
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("%s: %s", id, crash_lookup_strerror(r));
		return false;
	}
	if (!cli_filter_matches(&watch->filter, &crash))
		return false;
	if (watch->json) {
		(void)print_json(text, len);
	} else {
		crash_row_fill(&crash, id, &row);
		crash_row_print(&row);
		crash_row_release(&row);
	}
	/* Whoever reads it from a pipe waits for this line. */
	return fflush(stdout) == 0;
}

static int follow(const struct watch *watch, int fd)
{
	char buf[EVENT_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));

	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);

			at += (ssize_t)(sizeof(*event) + event->len);
			if (event->mask & IN_Q_OVERFLOW)
				log_warning("too many at once: some are not shown; `coreferry "
					    "list` shows them");
			else if (event->mask & (IN_IGNORED | IN_UNMOUNT))
				return -ESTALE;
			else if (event->len > 0 && crash_id_is_valid(event->name) &&
				 show(watch, event->name) && watch->once)
				return 0;
			/* Nobody reads it any more. */
			if (ferror(stdout))
				return 0;
		}
	}
}

static int start(const struct watch *watch)
{
	cleanup_fd int fd = inotify_init1(IN_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", watch->store.crashes_fd);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_ONLYDIR) < 0) {
		log_error("the store cannot be followed: %s", strerror(errno));
		return EX_OSERR;
	}
	if (!watch->json)
		log_info("waiting for crashes; Ctrl-C ends this");
	int r = follow(watch, fd);
	if (r < 0)
		log_error("the store cannot be followed any more: %s", strerror(-r));
	return r < 0 ? EX_IOERR : EX_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		CLI_FILTER_OPTIONS,
		CLI_COMMON_OPTIONS,
	};
	struct watch watch = { .store.crashes_fd = -1 };
	int option;

	while ((option = getopt_long(argc, argv, "h1", options, NULL)) != -1) {
		int code = option == 'j' || option == '1'
				   ? CLI_GO_ON
				   : cli_filter_option(cli, option, &watch.filter);

		if (code != CLI_GO_ON)
			return code;
		watch.json = watch.json || option == 'j';
		watch.once = watch.once || option == '1';
	}
	if (optind < argc)
		return cli_usage_error(cli, "takes no arguments");
	int code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = cli_open_store(cli, &watch.store);
	if (code == EX_OK)
		code = start(&watch);
	store_close(&watch.store);
	return code;
}

const struct cli_command cli_watch = {
	.name = "watch",
	.summary = "Shows crashes as they happen",
	.arguments = "[OPTIONS]",
	.options = CLI_FILTER_HELP "  -1                  ends after the first one\n"
				   "      --json          the records, one per line\n",
	.run = run,
};
