/* SPDX-License-Identifier: MIT */
/*
 * An HTTP answer off a socket on which it stands already, by libcurl.
 */
#pragma once

#include <stddef.h>

#define FETCH_BODY_MAX (256U << 10)

struct fetch;

struct fetch *fetch_new(void);
void fetch_free(struct fetch *fetch);
int fetch_run(struct fetch *fetch, int socket_fd, long *ret_status, char **ret_body,
	      size_t *ret_len);
