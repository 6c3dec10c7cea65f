// SPDX-License-Identifier: MIT
/*
 * coreferry rm: removes crashes from the store: those that are named, or that the options choose.
 *
 * Root removes; who may write in STORE/removals asks for it.  What is just being read or worked on
 * is asked for, too: it goes when that is over.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "cli-filter.h"
#include "cli.h"
#include "crash-lookup.h"
#include "fd.h"
#include "log.h"
#include "removal.h"

/* Tells what became of it; an exit code. */
static int remove_one(const struct store *store, const char *id)
{
	int r = removal_remove(store, id);

	if (r == 0) {
		printf("%s removed\n", id);
		return EX_OK;
	}
	if (r == -ENOENT) {
		log_error("%s: there is no such crash any more", id);
		return EX_NOINPUT;
	}
	bool busy = r == -EBUSY;
	if (!busy && r != -EACCES && r != -EPERM) {
		log_error("%s: cannot be removed: %s", id, strerror(-r));
		return EX_IOERR;
	}
	r = removal_request(store, id);
	if (r == 0) {
		printf(busy ? "%s is in use: it is removed when that is over\n"
			    : "%s is removed when the helper next keeps house\n",
		       id);
		return EX_OK;
	}
	log_error("%s: not removed: %s", id,
		  busy ? "somebody reads it or works on it; try again later"
		       : "run this as root, or as a member of the store's group");
	return busy ? EX_TEMPFAIL : EX_NOPERM;
}

/* The first failure counts. */
static void note(int *code, int one)
{
	if (*code == EX_OK)
		*code = one;
}

static int remove_named(const struct store *store, char **names, const struct crash_filter *filter)
{
	int code = EX_OK;

	for (; *names; names++) {
		char id[CRASH_ID_SIZE];
		cleanup_free char *text = NULL;
		struct crash crash;
		bool borrowed;
		int found = crash_lookup(store, *names, id);

		if (found != EX_OK) {
			note(&code, found);
			continue;
		}
		crash_init(&crash);
		bool readable = cli_filter_read(store, id, &text, &crash, &borrowed) == 0;
		bool wanted =
			readable ? cli_filter_matches(filter, &crash) : cli_filter_is_empty(filter);
		if (wanted)
			note(&code, remove_one(store, id));
		else
			printf("%s is not one of those that the options choose\n", id);
		if (!borrowed)
			crash_release(&crash);
	}
	return code;
}

static int remove_chosen(const struct store *store, const struct crash_filter *filter)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	cleanup_free char *text = NULL;
	size_t count = 0, chosen = 0;
	int code = EX_OK, r = store_list(store, &ids, &count);

	if (r < 0) {
		log_error("the store cannot be listed: %s", strerror(-r));
		return EX_IOERR;
	}
	for (size_t i = 0; i < count; i++) {
		struct crash crash;
		bool borrowed;

		crash_init(&crash);
		/* What cannot be read is not known to be meant. */
		if (cli_filter_read(store, ids[i], &text, &crash, &borrowed) == 0 &&
		    cli_filter_matches(filter, &crash)) {
			chosen++;
			note(&code, remove_one(store, ids[i]));
		}
		if (!borrowed)
			crash_release(&crash);
	}
	if (chosen == 0)
		puts("there are no such crashes");
	return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_FILTER_OPTIONS,
		CLI_COMMON_OPTIONS,
	};
	cleanup_store struct store store = { .crashes_fd = -1 };
	struct crash_filter filter = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int code = cli_filter_option(cli, option, &filter);

		if (code != CLI_GO_ON)
			return code;
	}
	if (optind == argc && cli_filter_is_empty(&filter))
		return cli_usage_error(cli, "wants crashes, or options that choose some");
	int code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = cli_open_store(cli, &store);
	if (code != EX_OK)
		return code;
	code = optind < argc ? remove_named(&store, argv + optind, &filter)
			     : remove_chosen(&store, &filter);
	/* What others asked for, where we may. */
	(void)removal_honour(&store);
	return code;
}

const struct cli_command cli_rm = {
	.name = "rm",
	.summary = "Removes crashes from the store, without asking",
	.arguments = "[OPTIONS] [CRASH]...",
	.options = CLI_FILTER_HELP,
	.run = run,
};
