/* SPDX-License-Identifier: MIT */
/*
 * Reading from the kernel's pipe, with a deadline.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int pipe_read(int pipe_fd, char *buf, size_t len, uint64_t deadline_us, size_t *ret_len);
