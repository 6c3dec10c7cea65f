/* SPDX-License-Identifier: MIT */
/*
 * The HTTP headers that tell what a core is: the server's answer to a pull has them, and the
 * agent's upload.  Pure.
 *
 * Every value is text_percent_encode()d: what a victim chose can neither end nor start a header.
 */
#pragma once

#include "crash.h"

/* RFC 9530: the digest of the body that goes with it (digest_hex_to_header()). */
#define CORE_HEADER_REPR_DIGEST "Repr-Digest"

enum core_header {
	CORE_HEADER_EXE,
	CORE_HEADER_ID,
	CORE_HEADER_PID,
	CORE_HEADER_UID,
	CORE_HEADER_GID,
	CORE_HEADER_SIGNAL,
	CORE_HEADER_TIMESTAMP,
	CORE_HEADER_COMM,
	CORE_HEADER_HOSTNAME,
	CORE_HEADER_CONTAINER,
	CORE_HEADER_SIZE,
	CORE_HEADER_SHA256,
	CORE_HEADER_OUTCOME,
	CORE_HEADER_COUNT,
};

struct core_header_info {
	const char *name;     /* to be sent exactly so: testenv's clients compare the case */
	const char *variable; /* of the agent's environment: holds the value, not encoded */
};

extern const struct core_header_info core_headers[CORE_HEADER_COUNT];

typedef int (*core_header_fn)(void *context, const char *name, const char *value);

int core_header_find(const char *name);
int core_headers_for_each(const struct crash *crash, core_header_fn fn, void *context);
