/* SPDX-License-Identifier: MIT */
/*
 * A stored core, copied out as its raw bytes.
 *
 * The bytes are the victim's: they are passed on, never interpreted.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "core-reader.h"

/* core_export(): all was written, but it is not what was captured. */
#define CORE_EXPORT_DIFFERS 1

struct core_export {
	int fd;			     /* where to */
	bool sparse;		     /* fd is a new, empty file: blocks of zeros become holes */
	const char *sha256;	     /* of the raw core, in hexadecimal; NULL or "": not known */
	volatile sig_atomic_t *stop; /* ends with -EINTR once it is not 0; may be NULL */
	bool is_writing;	     /* out: an error is the output's, not the store's */
};

int core_export(struct core_reader *reader, struct core_export *export);
