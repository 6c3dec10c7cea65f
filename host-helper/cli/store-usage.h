/* SPDX-License-Identifier: MIT */
/*
 * How much there is in the store: for status.
 *
 * The names are the store's own; what is in the files is not looked at.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store.h"

struct store_usage {
	size_t crashes, partial; /* published; being captured, or cut off */
	size_t unreadable;	 /* of `crashes`: not counted in `bytes` */
	uint64_t bytes;		 /* on the disk, holes not counted */
	uint64_t free_bytes;	 /* of the file system, for root */
};

int store_usage_read(const struct store *store, struct store_usage *ret_usage);
