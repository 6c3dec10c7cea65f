/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the zstd seekable format that its writer and its reader share.
 * See: zstd's contrib/seekable_format/zstd_seekable_compression_format.md.
 */
#pragma once

#define SEEKABLE_FRAME_BYTES	 (1U << 20)  /* what we put into one frame */
#define SEEKABLE_ZEROS_BYTES	 (64U << 20) /* one frame of a long run of zeros */
#define SEEKABLE_FRAMES_MAX	 0x8000000U  /* the format's limit */
#define SEEKABLE_FRAME_RAW_MAX	 0x40000000U /* the format's limit */
#define SEEKABLE_SKIPPABLE_MAGIC 0x184D2A5EU
#define SEEKABLE_FOOTER_MAGIC	 0x8F92EAB1U
#define SEEKABLE_HEADER_BYTES	 8    /* skippable magic, length */
#define SEEKABLE_FOOTER_BYTES	 9    /* frame count, descriptor, magic */
#define SEEKABLE_ENTRY_BYTES	 8    /* stored size, raw size */
#define SEEKABLE_CHECKSUM_FLAG	 0x80 /* descriptor: 4 bytes of checksum behind each entry */
#define SEEKABLE_RESERVED_BITS	 0x7c /* descriptor: must be 0 */
