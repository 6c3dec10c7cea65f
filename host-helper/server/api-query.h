/* SPDX-License-Identifier: MIT */
/*
 * The query of GET /cores.  api_query_take() is pure.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "crash-filter.h"

#define API_QUERY_WHY_SIZE 192

struct api_query {
	struct crash_filter filter;
	uint32_t limit;
	char cursor[CRASH_ID_SIZE]; /* of what is older than this; "": all */
	uint64_t now_us;
	char why[API_QUERY_WHY_SIZE]; /* what is wrong with it */
};

void api_query_init(struct api_query *query, uint64_t now_us);
int api_query_take(struct api_query *query, const char *key, const char *value);
int api_query_read(struct MHD_Connection *mhd, uint64_t now_us, struct api_query *ret_query);
bool api_query_asks_for_more_than_time(const struct api_query *query);
