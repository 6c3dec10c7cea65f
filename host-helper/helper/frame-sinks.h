/* SPDX-License-Identifier: MIT */
/*
 * Where frames go: a raw and sparse file, or one in the seekable format.
 */
#pragma once

#include "digest.h"
#include "frame-pump.h"
#include "seekable.h"

struct frame_sink spool_sink(int *fd);

struct seekable_sink {
	struct seekable_writer *writer;
	int level;		       /* zstd's */
	uint64_t max_stored;	       /* bytes that the file may have, but for its table */
	struct sha256_ctx *raw_digest; /* of the raw bytes, or NULL */
};

struct frame_sink seekable_sink_frames(struct seekable_sink *sink);
