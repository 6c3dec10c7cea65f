// SPDX-License-Identifier: MIT
/*
 * A crash as one line of a table.
 *
 * What stands in the record is the victim's: it is escaped and cut to a width.
 */
#include "crash-row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "show.h"

#define TEXT_COLUMNS 48
#define NAME_COLUMNS 24

static const char *const headers[CRASH_COLUMNS] = {
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

/* What a list shows of a crash; its strings are copied. */
void crash_row_fill(const struct crash *crash, const char *id, struct crash_row *row)
{
	char time[SHOW_TIME_SIZE], size[SHOW_SIZE_SIZE] = "-";
	const char *signal = crash_signal_name(crash->signal);

	show_local_time(crash->time_us, time);
	if (crash->core_file)
		show_size(crash->core_size, size);
	else if (crash->core_removed)
		snprintf(size, sizeof(size), "removed");
	row->cell[CRASH_TIME] = strdup(time);
	row->cell[CRASH_ID] = strdup(id);
	row->cell[CRASH_PID] = number(crash->pid);
	row->cell[CRASH_UID] = number(crash->uid);
	row->cell[CRASH_SIG] = strcmp(signal, "SIG?") == 0 ? number(crash->signal)
							   : strdup(signal + strlen("SIG"));
	row->cell[CRASH_EXE] = show_exe(crash);
	row->cell[CRASH_CONTAINER] = show_container(crash);
	row->cell[CRASH_SIZE] = strdup(size);
	row->cell[CRASH_OUTCOME] = strdup(crash_outcome_name(crash->outcome));
	row->cell[CRASH_DELIVERY] = strdup(crash_delegation_name(crash->delegation));
}

/* Of one whose record cannot be read (-errno). */
void crash_row_fill_damaged(const char *id, int error, struct crash_row *row)
{
	row->cell[CRASH_ID] = strdup(id);
	row->cell[CRASH_OUTCOME] = strdup(error == -EACCES ? "unreadable" : "damaged");
	for (int i = 0; i < CRASH_COLUMNS; i++)
		if (i != CRASH_ID && i != CRASH_OUTCOME)
			row->cell[i] = strdup("-");
}

static const char *cell_text(const struct crash_row *row, int column)
{
	return row->cell[column] ? row->cell[column] : "?";
}

/* Prints a table with a header, as wide as it has to be. */
void crash_rows_print(const struct crash_row *rows, size_t count)
{
	size_t width[CRASH_COLUMNS];

	for (int c = 0; c < CRASH_COLUMNS; c++) {
		width[c] = strlen(headers[c]);
		for (size_t i = 0; i < count; i++) {
			size_t columns = show_columns(cell_text(&rows[i], c));

			width[c] = columns > width[c] ? columns : width[c];
		}
	}
	/* Row -1 is the header. */
	for (size_t i = 0; i <= count; i++)
		for (int c = 0; c < CRASH_COLUMNS; c++) {
			const char *text = i == 0 ? headers[c] : cell_text(&rows[i - 1], c);
			int pad = (int)(width[c] - show_columns(text));
			bool right = c == CRASH_PID || c == CRASH_UID || c == CRASH_SIZE;

			if (c == CRASH_COLUMNS - 1)
				printf("%s\n", text);
			else
				printf("%*s%s%*s  ", right ? pad : 0, "", text, right ? 0 : pad,
				       "");
		}
}

/* Prints one line of a table that goes on: in columns of fixed widths. */
void crash_row_print(const struct crash_row *row)
{
	static const int widths[CRASH_COLUMNS] = { 25, 36, 7, 5, 4, 32, 16, 5, 9, 0 };

	for (int c = 0; c < CRASH_COLUMNS; c++) {
		const char *text = cell_text(row, c);
		int pad = widths[c] - (int)show_columns(text);
		bool right = c == CRASH_PID || c == CRASH_UID || c == CRASH_SIZE;

		pad = pad > 0 ? pad : 0;
		if (c == CRASH_COLUMNS - 1)
			printf("%s\n", text);
		else
			printf("%*s%s%*s  ", right ? pad : 0, "", text, right ? 0 : pad, "");
	}
}

/* Frees its cells. */
void crash_row_release(struct crash_row *row)
{
	for (int c = 0; c < CRASH_COLUMNS; c++)
		free(row->cell[c]);
	*row = (struct crash_row){ 0 };
}
