/* SPDX-License-Identifier: MIT */
/*
 * How many captures (or compressions) there may be at once, over all helpers: STORE/slots.
 *
 * A slot is a file whose lock is held: a helper that is killed gives its slot back.  The directory
 * is root's alone, so that nobody else can hold one.
 */
#pragma once

#include <stdint.h>

#define SLOTS_CAPTURE  "capture"
#define SLOTS_COMPRESS "compress"

unsigned slots_count(uint32_t configured);
int slots_take(int storefd, const char *pool, unsigned count, uint64_t deadline_us, int *ret_fd);
int slots_take_place(int storefd, const char *pool, const char *owner, unsigned most, int *ret_fd);
int slots_take_lane(int storefd, const char *pool, const char *owner, unsigned width,
		    uint64_t deadline_us, int *ret_fd);
