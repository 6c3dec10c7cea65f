/* SPDX-License-Identifier: MIT */
/*
 * How much may be received: bytes and cores, in all and for each directory.
 */
#pragma once

#include <stdint.h>

#include "config.h"
#include "store.h"

struct receive_quota;

/* 0 in each: no limit. */
struct receive_limits {
	struct config_share use, use_each;
	uint32_t cores, cores_each;
};

int receive_quota_new(const struct store *received, int uploads_fd,
		      const struct receive_limits *limits, struct receive_quota **ret_quota);
void receive_quota_free(struct receive_quota **quota);

int receive_quota_admit(struct receive_quota *quota, const char *directory, uint64_t bytes,
			unsigned cores);
void receive_quota_add(struct receive_quota *quota, const char *directory, int64_t bytes,
		       int cores);
