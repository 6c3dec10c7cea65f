/* SPDX-License-Identifier: MIT */
/*
 * How long a core ought to be, and where its process faulted, from its own headers.  Pure but for
 * the reading through a callback.
 *
 * The headers are written by the kernel, but describe the victim's memory; a stream that someone
 * else made may hold anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef ssize_t (*elf_core_read_fn)(void *context, void *buf, size_t len, uint64_t offset);

int elf_core_fault_address(elf_core_read_fn read_fn, void *context, uint64_t *ret_address);
int elf_core_expected_size(elf_core_read_fn read_fn, void *context, uint64_t *ret_size);
