/* SPDX-License-Identifier: MIT */
/*
 * One entry of the index, made of a crash's record.
 */
#pragma once

#include "store-index.h"

#define INDEX_BOOT_ID_SIZE 40

int index_entry_read(const struct store *store, const char *id, const char *boot_id,
		     struct index_entry **ret_entry);
void index_entry_mark_deleted(const struct store *store, struct index_entry **entries,
			      size_t count);
void index_entry_boot_id(char boot_id[INDEX_BOOT_ID_SIZE]);
