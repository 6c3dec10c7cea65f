// SPDX-License-Identifier: MIT
/*
 * coreferry list: the crashes in the store, newest first, one per line, or as JSON.
 *
 * What stands in the records is the victim's.  One record that is damaged, or that this caller may
 * not read, never hides the others.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli-filter.h"
#include "cli.h"
#include "crash-lookup.h"
#include "crash-row.h"
#include "fd.h"
#include "log.h"
#include "show.h"

struct list {
	const struct store *store;
	struct crash_filter filter;
	char (*ids)[CRASH_ID_SIZE]; /* newest first */
	size_t count;
	bool json, reverse, newest_only;
};

static const char *id_at(const struct list *list, size_t i)
{
	return list->ids[list->reverse ? list->count - 1 - i : i];
}

/* Adds a row if the crash is one of those that are meant. */
static bool add_row(const struct list *list, const char *id, char **text, struct crash_row *row)
{
	struct crash crash;
	bool borrowed;

	crash_init(&crash);
	int r = cli_filter_read(list->store, id, text, &crash, &borrowed);
	/* Removed since it was listed, by a quota for instance. */
	bool wanted = r == 0 ? cli_filter_matches(&list->filter, &crash)
			     : r != -ENOENT && cli_filter_is_empty(&list->filter);

	if (wanted && r == 0)
		crash_row_fill(&crash, id, row);
	else if (wanted)
		crash_row_fill_damaged(id, r, row);
	if (!borrowed)
		crash_release(&crash);
	return wanted;
}

static int list_as_table(const struct list *list)
{
	struct crash_row *rows = calloc(list->count + 1, sizeof(*rows));
	cleanup_free char *text = NULL;
	size_t used = 0;

	if (!rows) {
		log_error("out of memory");
		return EX_OSERR;
	}
	for (size_t i = 0; i < list->count && !(list->newest_only && used > 0); i++)
		used += add_row(list, id_at(list, i), &text, &rows[used]);
	crash_rows_print(rows, used);
	for (size_t i = 0; i < used; i++)
		crash_row_release(&rows[i]);
	free(rows);
	return EX_OK;
}

/* 1: it was shown; 0: it is not meant, or cannot be read; -errno. */
static int show_record(const struct list *list, const char *id, const char *between)
{
	cleanup_crash struct crash crash;
	cleanup_free char *text = NULL;
	size_t len;

	crash_init(&crash);
	int r = crash_lookup_record(list->store, id, NULL, &crash, &text, &len);
	if (r < 0) {
		if (r != -ENOENT)
			log_warning("%s is left out: %s", id, crash_lookup_strerror(r));
		return 0;
	}
	if (!cli_filter_matches(&list->filter, &crash))
		return 0;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	fputs(between, stdout);
	r = object ? show_json(object) : -ENOMEM;
	json_decref(object);
	return r < 0 ? r : 1;
}

static int list_as_json(const struct list *list)
{
	size_t shown = 0;

	for (size_t i = 0; i < list->count && !(list->newest_only && shown > 0); i++) {
		int r = show_record(list, id_at(list, i), shown == 0 ? "[\n" : ",\n");

		if (r < 0) {
			log_error("%s cannot be shown: %s", id_at(list, i), strerror(-r));
			return EX_IOERR;
		}
		shown += (size_t)r;
	}
	puts(shown == 0 ? "[]" : "]");
	return EX_OK;
}

static int parse(struct cli *cli, int argc, char **argv, struct list *list)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "reverse", no_argument, NULL, 'r' },
		CLI_FILTER_OPTIONS,
		CLI_COMMON_OPTIONS,
	};
	int option;

	while ((option = getopt_long(argc, argv, "hr1", options, NULL)) != -1) {
		bool own = option == 'j' || option == 'r' || option == '1';
		int code = own ? CLI_GO_ON : cli_filter_option(cli, option, &list->filter);

		if (code != CLI_GO_ON)
			return code;
		list->json = list->json || option == 'j';
		list->reverse = list->reverse || option == 'r';
		list->newest_only = list->newest_only || option == '1';
	}
	if (optind < argc)
		return cli_usage_error(cli, "takes no arguments");
	if (list->newest_only && list->reverse)
		return cli_usage_error(cli, "-1 is the newest: not with -r");
	return CLI_GO_ON;
}

static int run(struct cli *cli, int argc, char **argv)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	struct list list = { .store = &store };
	int code = parse(cli, argc, argv, &list);

	if (code != CLI_GO_ON)
		return code;
	code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = cli_open_store(cli, &store);
	if (code != EX_OK)
		return code;
	int r = store_list(&store, &ids, &list.count);
	if (r < 0) {
		log_error("the store %s cannot be listed: %s", cli->store_path, strerror(-r));
		return EX_IOERR;
	}
	list.ids = ids;
	return list.json ? list_as_json(&list) : list_as_table(&list);
}

const struct cli_command cli_list = {
	.name = "list",
	.summary = "Shows the crashes in the store, newest first",
	.arguments = "[OPTIONS]",
	.options =
		CLI_FILTER_HELP "  -r, --reverse       oldest first\n"
				"  -1                  the newest only\n"
				"      --json          the records (crash.json) as a JSON array\n",
	.run = run,
};
