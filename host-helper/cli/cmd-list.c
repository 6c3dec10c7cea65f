// SPDX-License-Identifier: MIT
/*
 * coreferry list: the crashes in the store, newest first, one per line, or as JSON.
 *
 * What stands in the records is the victim's: it is escaped and cut to a width.  One record that is
 * damaged, or that this caller may not read, never hides the others.
 */
#include <errno.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli.h"
#include "crash-lookup.h"
#include "fd.h"
#include "log.h"
#include "show.h"

#define TEXT_COLUMNS 48
#define NAME_COLUMNS 24

enum { TIME, ID, PID, UID, SIG, EXE, CONTAINER, SIZE, OUTCOME, DELIVERY, COLUMN_COUNT };

struct row {
	char *cell[COLUMN_COUNT]; /* owned; NULL where there was no memory */
};

static const char *const headers[COLUMN_COUNT] = {
	"TIME", "ID", "PID", "UID", "SIG", "EXE", "CONTAINER", "SIZE", "OUTCOME", "DELIVERY",
};

static char *number(uint32_t value)
{
	char *text;

	return asprintf(&text, "%u", value) < 0 ? NULL : text;
}

static char *show_exe(const struct crash *crash)
{
	char *text;

	if ((crash->exe && *crash->exe) || !crash->comm || !*crash->comm)
		return show_tail(crash->exe, TEXT_COLUMNS, "-");
	cleanup_free char *comm = show_tail(crash->comm, TEXT_COLUMNS - 2, "-");
	return asprintf(&text, "[%s]", comm ? comm : "?") < 0 ? NULL : text;
}

static char *show_container(const struct crash *crash)
{
	if (crash->container_name && *crash->container_name)
		return show_tail(crash->container_name, NAME_COLUMNS, "-");
	if (!crash->container_id)
		return strdup("-");
	/* As the engines show it: the first 12 digits. */
	cleanup_free char *start = strndup(crash->container_id, 12);
	return show_tail(start, NAME_COLUMNS, "-");
}

static void fill_row(const struct crash *crash, struct row *row)
{
	char time[SHOW_TIME_SIZE], size[SHOW_SIZE_SIZE] = "-";
	const char *signal = crash_signal_name(crash->signal);

	show_local_time(crash->time_us, time);
	if (crash->core_file)
		show_size(crash->core_size, size);
	else if (crash->core_removed)
		snprintf(size, sizeof(size), "removed");
	row->cell[TIME] = strdup(time);
	row->cell[ID] = strdup(crash->id);
	row->cell[PID] = number(crash->pid);
	row->cell[UID] = number(crash->uid);
	row->cell[SIG] = strcmp(signal, "SIG?") == 0 ? number(crash->signal)
						     : strdup(signal + strlen("SIG"));
	row->cell[EXE] = show_exe(crash);
	row->cell[CONTAINER] = show_container(crash);
	row->cell[SIZE] = strdup(size);
	row->cell[OUTCOME] = strdup(crash_outcome_name(crash->outcome));
	row->cell[DELIVERY] = strdup(crash_delegation_name(crash->delegation));
}

static void fill_damaged_row(const char *id, int error, struct row *row)
{
	row->cell[ID] = strdup(id);
	row->cell[OUTCOME] = strdup(error == -EACCES ? "unreadable" : "damaged");
	for (int i = 0; i < COLUMN_COUNT; i++)
		if (i != ID && i != OUTCOME)
			row->cell[i] = strdup("-");
}

static const char *cell_text(const struct row *row, int column)
{
	return row->cell[column] ? row->cell[column] : "?";
}

static void print_rows(const struct row *rows, size_t count)
{
	size_t width[COLUMN_COUNT];

	for (int c = 0; c < COLUMN_COUNT; c++) {
		width[c] = strlen(headers[c]);
		for (size_t i = 0; i < count; i++) {
			size_t columns = show_columns(cell_text(&rows[i], c));

			width[c] = columns > width[c] ? columns : width[c];
		}
	}
	/* Row -1 is the header. */
	for (size_t i = 0; i <= count; i++)
		for (int c = 0; c < COLUMN_COUNT; c++) {
			const char *text = i == 0 ? headers[c] : cell_text(&rows[i - 1], c);
			int pad = (int)(width[c] - show_columns(text));
			bool right = c == PID || c == UID || c == SIZE;

			if (c == COLUMN_COUNT - 1)
				printf("%s\n", text);
			else
				printf("%*s%s%*s  ", right ? pad : 0, "", text, right ? 0 : pad,
				       "");
		}
}

static void free_rows(struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (int c = 0; c < COLUMN_COUNT; c++)
			free(rows[i].cell[c]);
	free(rows);
}

/* The container's name, which may be a pattern, or the beginning of its id; NULL: all crashes. */
static bool is_wanted(const struct crash *crash, const char *container)
{
	const char *name = crash->container_name, *id = crash->container_id;

	return !container || (name && fnmatch(container, name, 0) == 0) ||
	       (id && *container && strncmp(id, container, strlen(container)) == 0);
}

static int list_as_table(const struct store *store, char (*ids)[CRASH_ID_SIZE], size_t count,
			 const char *container)
{
	struct row *rows = calloc(count + 1, sizeof(*rows));
	size_t used = 0;

	if (!rows) {
		log_error("out of memory");
		return EX_OSERR;
	}
	for (size_t i = 0; i < count; i++) {
		cleanup_crash struct crash crash;

		crash_init(&crash);
		int r = crash_lookup_record(store, ids[i], NULL, &crash, NULL, NULL);
		/* Removed since it was listed, by a quota for instance. */
		if (r == -ENOENT || (r == 0 && !is_wanted(&crash, container)))
			continue;
		if (r == 0)
			fill_row(&crash, &rows[used++]);
		else
			fill_damaged_row(ids[i], r, &rows[used++]);
	}
	print_rows(rows, used);
	free_rows(rows, used);
	return EX_OK;
}

static int list_as_json(const struct store *store, char (*ids)[CRASH_ID_SIZE], size_t count,
			const char *container)
{
	const char *between = "[\n";

	for (size_t i = 0; i < count; i++) {
		cleanup_crash struct crash crash;
		cleanup_free char *text = NULL;
		size_t len;

		crash_init(&crash);
		int r = crash_lookup_record(store, ids[i], NULL, &crash, &text, &len);
		if (r < 0) {
			if (r != -ENOENT)
				log_warning("%s is left out: %s", ids[i], crash_lookup_strerror(r));
			continue;
		}
		if (!is_wanted(&crash, container))
			continue;
		json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		fputs(between, stdout);
		between = ",\n";
		r = object ? show_json(object) : -ENOMEM;
		json_decref(object);
		if (r < 0) {
			log_error("%s cannot be shown: %s", ids[i], strerror(-r));
			return EX_IOERR;
		}
	}
	puts(*between == '[' ? "[]" : "]");
	return EX_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "container", required_argument, NULL, 'c' },
		CLI_COMMON_OPTIONS,
	};
	cleanup_store struct store store = { .crashes_fd = -1 };
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	const char *container = NULL;
	size_t count = 0;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int code = option == 'j' || option == 'c' ? CLI_GO_ON : cli_option(cli, option);

		if (code != CLI_GO_ON)
			return code;
		json = json || option == 'j';
		if (option == 'c')
			container = optarg;
	}
	if (optind < argc)
		return cli_usage_error(cli, "takes no arguments");
	int code = cli_load(cli, CLI_LOAD_WARN);
	if (code == EX_OK)
		code = cli_open_store(cli, &store);
	if (code != EX_OK)
		return code;
	int r = store_list(&store, &ids, &count);
	if (r < 0) {
		log_error("the store %s cannot be listed: %s", cli->store_path, strerror(-r));
		return EX_IOERR;
	}
	return json ? list_as_json(&store, ids, count, container)
		    : list_as_table(&store, ids, count, container);
}

const struct cli_command cli_list = {
	.name = "list",
	.summary = "Shows the crashes in the store, newest first",
	.arguments = "[OPTIONS]",
	.options = "      --container C   of one container only: its name, a pattern of names, or "
		   "the\n"
		   "                      beginning of its id\n"
		   "      --json          the records (crash.json) as a JSON array\n",
	.run = run,
};
