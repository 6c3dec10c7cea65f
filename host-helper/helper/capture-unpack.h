/* SPDX-License-Identifier: MIT */
/*
 * A stored core, raw, into a pipe; and how much of it there is.  In the confined process.
 */
#pragma once

#include <stdint.h>

int capture_unpack(int core_fd, int zst_fd, int out_fd);
int capture_measure(int zst_fd, uint64_t *ret_raw_size);
