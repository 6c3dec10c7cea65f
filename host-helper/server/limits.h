/* SPDX-License-Identifier: MIT */
/*
 * The limits that exist because whoever reaches the port may be hostile, each with its reason.
 */
#pragma once

/* Unpacking and writing block the worker that does it: enough of them that some are always free. */
#define LIMIT_THREADS 8

/* Idle connections are cheap (a descriptor, some KiB), but not free; a busy one has 3 descriptors.
 */
#define LIMIT_CONNECTIONS    1024
#define LIMIT_CONNECTION_FDS 3
#define LIMIT_OTHER_FDS	     64
/* One peer must not take all of them from its neighbours. */
#define LIMIT_CONNECTIONS_PER_IP 256

/* For one request's headers, and its read and write buffers.  libmicrohttpd wipes half of it in
   each request, so all of LIMIT_CONNECTIONS touch that much: 20 MiB. */
#define LIMIT_CONNECTION_MEMORY (40U << 10)

/* A connection that says nothing at all, or whose headers come drop by drop, ends after this. */
#define LIMIT_IDLE_S	30
#define LIMIT_HEADER_MS 30000
/* A body may take as long as it is big, but it must move: 4 KiB/s, looked at once a minute. */
#define LIMIT_WINDOW_MS	   60000
#define LIMIT_WINDOW_BYTES (240U << 10)

/* The rest of a body that we refused is read up to this, so that its sender gets to see why. */
#define LIMIT_REFUSED_BODY (64U << 20)

/* A pull waits this long for a capture under way, unless it says how long.  Clients of testenv have
   no timeout, and one thread. */
#define LIMIT_PULL_WAIT_MS     2000
#define LIMIT_PULL_WAIT_MAX_MS 60000
/* Of those captures, so many are looked at. */
#define LIMIT_PENDING 256
/* A capture that is older was cut off: nobody waits for it.  Nor for one long without a record. */
#define LIMIT_CAPTURE_AGE_MS 600000
#define LIMIT_NO_RECORD_MS   2000

/* The most that one upload may unpack to, whatever its headers say (a zstd bomb; a sparse core has
   an honest ratio of 20,000, so the ratio says nothing). */
#define LIMIT_RAW_BYTES (1ULL << 40)
/* What a zstd frame may make us allocate: levels up to 19 ask for 8 MiB, our own frames for 1. */
#define LIMIT_WINDOW_LOG 23
#define LIMIT_UPLOADS	 96 /* each has its buffers: some 256 KiB */
/* What all zstd decoders of uploads may take together; the next one is told to come back. */
#define LIMIT_UNPACK_MEMORY (32U << 20)
/* Unpack so much, then let the worker's other connections have their turn. */
#define LIMIT_UNPACK_AT_ONCE (16U << 20)
/* Uploads leave so much of the disk free for others: 256 MiB, or a twentieth of a small disk. */
#define LIMIT_KEEP_FREE	     (256ULL << 20)
#define LIMIT_KEEP_FREE_PART 20

/* Uploads over several requests that are not yet complete: each is a directory. */
#define LIMIT_TUS_UPLOADS 1024
/* So long whoever missed the answer can ask whether its upload has arrived. */
#define LIMIT_TUS_DONE_MS 3600000ULL
/* Unpacking takes a window and tables, 2 MiB each, of a budget of 64 MiB for the whole server. */
#define LIMIT_UNPACKING 8
/* A peer that reads nothing for so long has its turn taken, if others wait; one that reads makes
   way after so many bytes. */
#define LIMIT_UNPACK_IDLE_MS 50
#define LIMIT_UNPACK_TURN    (32ULL << 20)
/* Each pull has a buffer of this size, up to LIMIT_CONNECTIONS of them. */
#define LIMIT_PULL_BLOCK (16U << 10)

/* Of a list: unless it says how many, and at most. */
#define LIMIT_LIST	 100
#define LIMIT_LIST_MAX	 1000
#define LIMIT_LIST_BYTES (1U << 20)
/* Any of the files beside a core. */
#define LIMIT_FILE_BYTES (16U << 20)
/* Followers of /events are connections that never end. */
#define LIMIT_FOLLOWERS	   64
#define LIMIT_HEARTBEAT_MS 15000

/* The program that --exec names: so many at once (others wait), for so long, with so much to say.
 */
#define LIMIT_EXEC_AT_ONCE 4
#define LIMIT_EXEC_MS	   600000
#define LIMIT_EXEC_END_MS  2000 /* from SIGTERM to SIGKILL */
#define LIMIT_EXEC_OUTPUT  (64U << 10)
#define LIMIT_EXEC_WAITING (1U << 20) /* bytes: some 200 cores */

/* After a reload, requests that were under way have this long. */
#define LIMIT_DRAIN_MS 3600000
/* And so many reloads are waited for at once. */
#define LIMIT_GENERATIONS 4

/* On SIGTERM, requests that are under way have this long to end. */
#define LIMIT_SHUTDOWN_MS 3000
