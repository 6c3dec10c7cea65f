/* SPDX-License-Identifier: MIT */
/*
 * The zstd seekable format: independent zstd frames, and a table of them in a skippable frame at
 * the end.  `zstd -d` reads it as any .zst; with the table any range can be read without what is
 * before. See: zstd's contrib/seekable_format/zstd_seekable_compression_format.md.
 *
 * The writer is used by root on its own data; the reader takes nothing in the file for granted.
 */
#pragma once

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct seekable_compressor;
struct seekable_writer;
struct seekable_reader;

/* Each thread has its own; what they make is appended in the order of the raw bytes. */
int seekable_compressor_new(int level, struct seekable_compressor **ret_compressor);
void seekable_compressor_free(struct seekable_compressor **compressor);
int seekable_compress(struct seekable_compressor *compressor, const void *data, size_t len,
		      const void **ret_stored, size_t *ret_stored_len);

int seekable_writer_new(int fd, int level, struct seekable_writer **ret_writer);
void seekable_writer_free(struct seekable_writer **writer);
void seekable_writer_digest(struct seekable_writer *writer, struct sha256_ctx *digest);
int seekable_writer_add(struct seekable_writer *writer, const void *data, size_t len);
int seekable_writer_append(struct seekable_writer *writer, const void *stored, size_t stored_len,
			   size_t raw_len);
int seekable_writer_add_zeros(struct seekable_writer *writer, uint64_t len);
int seekable_writer_drop_last(struct seekable_writer *writer);
int seekable_writer_mend(struct seekable_writer *writer);
int seekable_writer_finish(struct seekable_writer *writer);
uint64_t seekable_writer_raw_size(const struct seekable_writer *writer);
uint64_t seekable_writer_stored_size(const struct seekable_writer *writer);

int seekable_reader_new(int fd, struct seekable_reader **ret_reader);
void seekable_reader_free(struct seekable_reader **reader);
uint64_t seekable_reader_size(const struct seekable_reader *reader);
ssize_t seekable_reader_pread(struct seekable_reader *reader, void *buf, size_t len,
			      uint64_t offset);
