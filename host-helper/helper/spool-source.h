/* SPDX-License-Identifier: MIT */
/*
 * A raw and sparse core in a file, as frames.
 */
#pragma once

#include <stdint.h>

#include "frame-pump.h"

struct spool_source {
	int fd;
	uint64_t size, position;
};

int spool_source_init(struct spool_source *source);
struct frame_source spool_source_frames(struct spool_source *source);
