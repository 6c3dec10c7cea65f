/* SPDX-License-Identifier: MIT */
/*
 * The files of one crash's directory, as housekeeping sees them: how much they take, and which of
 * them are left over.  Nothing is opened or followed here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct crash_files {
	uint64_t bytes;	     /* on the disk, all of them */
	uint64_t core_bytes; /* on the disk, the core */
	unsigned count;
	bool has_raw, has_zst; /* core, core.zst */
	bool has_temporary;    /* names that start with a dot: not finished */
};

enum crash_files_which { CRASH_FILES_TEMPORARY, CRASH_FILES_ALL };

int crash_files_look(int dirfd, struct crash_files *ret_files);
int crash_files_remove(int dirfd, enum crash_files_which which);
