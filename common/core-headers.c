// SPDX-License-Identifier: MIT
/*
 * The HTTP headers that tell what a core is.  Pure: a record in, names and values out.
 *
 * exe, comm, hostname and the container's name are the victim's, so every value is encoded here,
 * and nobody else writes such a header.
 */
#include "core-headers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fd.h"
#include "text.h"

/*
 *   header              value                                               before the encoding
 *   X-Executable-Path   the program's path, as its container sees it        bytes
 *   X-Core-Id           the crash's id                                      crash-id.h
 *   X-Core-Pid -Uid -Gid, X-Core-Signal                                     decimal
 *   X-Core-Timestamp    when it crashed, UTC                                RFC 3339, ends in Z
 *   X-Core-Comm -Hostname                                                   bytes
 *   X-Core-Container    its name, or its id where it has no name            bytes
 *   X-Core-Size         bytes of the raw core                               decimal
 *   X-Core-Sha256       digest of the raw core                              64 hexadecimal digits
 *   X-Core-Outcome      "stored": the core is whole; "truncated": it is not
 */
const struct core_header_info core_headers[CORE_HEADER_COUNT] = {
	[CORE_HEADER_EXE] = { "X-Executable-Path", "CORE_EXE" },
	[CORE_HEADER_ID] = { "X-Core-Id", "CORE_ID" },
	[CORE_HEADER_PID] = { "X-Core-Pid", "CORE_HOST_PID" },
	[CORE_HEADER_UID] = { "X-Core-Uid", "CORE_UID" },
	[CORE_HEADER_GID] = { "X-Core-Gid", "CORE_GID" },
	[CORE_HEADER_SIGNAL] = { "X-Core-Signal", "CORE_SIGNAL" },
	[CORE_HEADER_TIMESTAMP] = { "X-Core-Timestamp", "CORE_TIMESTAMP" },
	[CORE_HEADER_COMM] = { "X-Core-Comm", "CORE_COMM" },
	[CORE_HEADER_HOSTNAME] = { "X-Core-Hostname", "CORE_HOSTNAME" },
	[CORE_HEADER_CONTAINER] = { "X-Core-Container", "CORE_CONTAINER" },
	[CORE_HEADER_SIZE] = { "X-Core-Size", "CORE_RAW_SIZE" },
	[CORE_HEADER_SHA256] = { "X-Core-Sha256", "CORE_RAW_SHA256" },
	[CORE_HEADER_OUTCOME] = { "X-Core-Outcome", "CORE_OUTCOME" },
};

/* The enum core_header of a name, in whatever case a peer wrote it; -1: not one of ours. */
int core_header_find(const char *name)
{
	for (int i = 0; i < CORE_HEADER_COUNT; i++)
		if (strcasecmp(name, core_headers[i].name) == 0)
			return i;
	return -1;
}

struct emitter {
	core_header_fn fn;
	void *context;
};

/* "" and NULL are "not known": no header then. */
static int put_text(const struct emitter *to, enum core_header header, const char *value)
{
	if (!value || !*value)
		return 0;
	cleanup_free char *encoded = text_percent_encode(value, strlen(value));
	if (!encoded)
		return -ENOMEM;
	return to->fn(to->context, core_headers[header].name, encoded);
}

static int put_u64(const struct emitter *to, enum core_header header, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return put_text(to, header, text);
}

static int put_digests(const struct emitter *to, const struct crash *crash)
{
	char header[DIGEST_HEADER_SIZE];
	int r = put_text(to, CORE_HEADER_SHA256, crash->core_sha256);

	if (r != 0 || !crash->core_sha256[0] ||
	    digest_hex_to_header(crash->core_sha256, header) < 0)
		return r;
	return to->fn(to->context, CORE_HEADER_REPR_DIGEST, header);
}

/*
 * Calls fn for every header of a crash whose raw core is the body: those of enum core_header, and
 * Repr-Digest.  What is not known is left out.  0, -ENOMEM, or the first of fn's that was not 0.
 */
int core_headers_for_each(const struct crash *crash, core_header_fn fn, void *context)
{
	const struct emitter to = { fn, context };
	const char *container = crash->container_name && *crash->container_name
					? crash->container_name
					: crash->container_id;
	char time[32] = "";
	int r;

	if (crash->time_us != 0 && crash_time_format(crash->time_us, time) < 0)
		time[0] = '\0';
	if ((r = put_text(&to, CORE_HEADER_EXE, crash->exe)) != 0 ||
	    (r = put_text(&to, CORE_HEADER_ID, crash->id)) != 0 ||
	    (r = put_u64(&to, CORE_HEADER_PID, crash->pid)) != 0 ||
	    (r = put_u64(&to, CORE_HEADER_UID, crash->uid)) != 0 ||
	    (r = put_u64(&to, CORE_HEADER_GID, crash->gid)) != 0 ||
	    (r = put_u64(&to, CORE_HEADER_SIGNAL, crash->signal)) != 0 ||
	    (r = put_text(&to, CORE_HEADER_TIMESTAMP, time)) != 0 ||
	    (r = put_text(&to, CORE_HEADER_COMM, crash->comm)) != 0 ||
	    (r = put_text(&to, CORE_HEADER_HOSTNAME, crash->hostname)) != 0 ||
	    (r = put_text(&to, CORE_HEADER_CONTAINER, container)) != 0 ||
	    (r = put_u64(&to, CORE_HEADER_SIZE, crash->core_size)) != 0 ||
	    (r = put_text(&to, CORE_HEADER_OUTCOME, crash_outcome_name(crash->outcome))) != 0)
		return r;
	return put_digests(&to, crash);
}
