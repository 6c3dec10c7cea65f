/* SPDX-License-Identifier: MIT */
/*
 * The raw core on a delegate's stdin: unpacked by a confined process, which writes it there itself.
 */
#pragma once

#include "confined.h"

struct delegate_feed {
	struct confined process;
	struct capture_shared shared;
};

int delegate_feed_start(int dirfd, const char *core_file, struct delegate_feed *ret_feed,
			int *ret_stdin);
int delegate_feed_end(struct delegate_feed *feed);
