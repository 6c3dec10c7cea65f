/* SPDX-License-Identifier: MIT */
/*
 * A stored core as its raw bytes, whichever form it is stored in: any range, through one function.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct core_reader;

int core_reader_open_at(int dirfd, const char *name, struct core_reader **ret_reader);
void core_reader_free(struct core_reader **reader);
#define cleanup_core_reader __attribute__((cleanup(core_reader_free)))

uint64_t core_reader_size(const struct core_reader *reader);
int core_reader_fd(const struct core_reader *reader);
ssize_t core_reader_pread(struct core_reader *reader, void *buf, size_t len, uint64_t offset);
