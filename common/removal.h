/* SPDX-License-Identifier: MIT */
/*
 * Removing a crash for good, and asking root to do that.
 *
 * Who may only read the store asks by an empty file, STORE/removals/ID: the group that reads the
 * store can write there.  Root's programs take nothing from it but names, and of those only ids.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store.h"

#define REMOVAL_DIRECTORY "removals"

int removal_prepare(const struct store *store);
int removal_request(const struct store *store, const char *id);
bool removal_is_requested(const struct store *store, const char *id);
unsigned removal_honour(const struct store *store);

int removal_hide(const struct store *store, const char *id);
int removal_finish(const struct store *store, const char *id);
int removal_remove(const struct store *store, const char *id);
