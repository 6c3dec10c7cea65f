/* SPDX-License-Identifier: MIT */
/*
 * An upload's body on its way into a file: unpacked, sparse, measured, and bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

struct receive_file;

struct receive_result {
	uint64_t body_size, raw_size;
	char body_sha256[DIGEST_HEX_SIZE], raw_sha256[DIGEST_HEX_SIZE];
};

int receive_file_new(int fd, bool zst, uint64_t raw_max, struct receive_file **ret_file);
void receive_file_free(struct receive_file **file);
int receive_file_take(struct receive_file *file, const char *data, size_t *len);
int receive_check_space(int fd, uint64_t more);
uint64_t receive_file_written(const struct receive_file *file);
int receive_file_finish(struct receive_file *file, struct receive_result *ret_result);
