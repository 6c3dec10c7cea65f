/* SPDX-License-Identifier: MIT */
/*
 * The zstd seekable format: independent zstd frames, and a table of them in a skippable frame at
 * the end.  `zstd -d` reads it as any .zst; with the table any range can be read without what is
 * before. See: zstd's contrib/seekable_format/zstd_seekable_compression_format.md.
 *
 * The writer is used by root on its own data; the reader takes nothing in the file for granted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct seekable_writer;
struct seekable_reader;

int seekable_writer_new(int fd, int level, struct seekable_writer **ret_writer);
void seekable_writer_free(struct seekable_writer **writer);
int seekable_writer_add(struct seekable_writer *writer, const void *data, size_t len);
int seekable_writer_add_zeros(struct seekable_writer *writer, uint64_t len);
int seekable_writer_drop_last(struct seekable_writer *writer);
int seekable_writer_finish(struct seekable_writer *writer);
uint64_t seekable_writer_raw_size(const struct seekable_writer *writer);
uint64_t seekable_writer_stored_size(const struct seekable_writer *writer);

int seekable_reader_new(int fd, struct seekable_reader **ret_reader);
void seekable_reader_free(struct seekable_reader **reader);
uint64_t seekable_reader_size(const struct seekable_reader *reader);
ssize_t seekable_reader_pread(struct seekable_reader *reader, void *buf, size_t len,
			      uint64_t offset);
