/* SPDX-License-Identifier: MIT */
/*
 * Headers of a request that choose a part or a form of what is asked for.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum http_range {
	HTTP_RANGE_NONE,	  /* the whole */
	HTTP_RANGE_PART,	  /* *ret_first to *ret_last */
	HTTP_RANGE_UNSATISFIABLE, /* there is nothing there */
	HTTP_RANGE_MALFORMED,
};

enum http_range http_range_parse(const char *value, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_last);
bool http_etag_matches(const char *list, const char *etag);
bool http_accepts(const char *accept_encoding, const char *coding);
