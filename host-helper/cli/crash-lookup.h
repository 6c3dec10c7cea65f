/* SPDX-License-Identifier: MIT */
/*
 * A crash in the store, by what the operator calls it, and its record.
 *
 * The name is the operator's; the record may be damaged, and holds what the victim chose.
 */
#pragma once

#include <stddef.h>

#include "store.h"

int crash_lookup(const struct store *store, const char *name, char id[CRASH_ID_SIZE]);
int crash_lookup_record(const struct store *store, const char *id, int *ret_dirfd,
			struct crash *ret_crash, char **ret_text, size_t *ret_len);
const char *crash_lookup_strerror(int error);
