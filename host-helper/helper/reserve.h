/* SPDX-License-Identifier: MIT */
/*
 * Room that is set aside for records: a crash on a disk that is full to the last block has one,
 * too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void reserve_keep(int storefd, uint64_t free_bytes);
bool reserve_use(int storefd);
