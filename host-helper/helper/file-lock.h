/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a lock on a file, in the order of arrival, but not for ever.
 *
 * The files are root's alone (nobody else may hold up a crash by holding their lock).  A lock ends
 * with the last copy of its descriptor: whoever is killed leaves none behind.
 */
#pragma once

#include <stdint.h>

int file_lock_until(int fd, uint64_t deadline_us);
