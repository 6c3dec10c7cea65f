/* SPDX-License-Identifier: MIT */
/*
 * A crash as one line of a table.
 */
#pragma once

#include <stddef.h>

#include "crash.h"

enum crash_column {
	CRASH_TIME,
	CRASH_ID,
	CRASH_PID,
	CRASH_UID,
	CRASH_SIG,
	CRASH_EXE,
	CRASH_CONTAINER,
	CRASH_SIZE,
	CRASH_OUTCOME,
	CRASH_DELIVERY,
	CRASH_COLUMNS
};

struct crash_row {
	char *cell[CRASH_COLUMNS]; /* owned; NULL where there was no memory */
};

void crash_row_fill(const struct crash *crash, const char *id, struct crash_row *row);
void crash_row_fill_damaged(const char *id, int error, struct crash_row *row);
void crash_row_release(struct crash_row *row);
void crash_rows_print(const struct crash_row *rows, size_t count);
void crash_row_print(const struct crash_row *row);
