/* SPDX-License-Identifier: MIT */
/*
 * The record of a crash, and its written form crash.json (docs/PROTOCOL.md has its fields).  Pure.
 *
 * Strings hold the bytes as the kernel gave them, so they may be anything the victim chose; in the
 * JSON they are escaped (text_escape()).  NULL, "" and 0 stand for "not known".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addresses.h"
#include "container-facts.h"
#include "crash-attempts.h"
#include "crash-id.h"
#include "digest.h"

#define CRASH_JSON_NAME	    "crash.json"
#define CRASH_JSON_MAX	    (4U << 20)
#define CRASH_CORE_ZST_NAME "core.zst"
#define CRASH_CORE_RAW_NAME "core"

#define CRASH_SIGNATURE_SIZE 17 /* 16 hexadecimal digits and NUL */

/* How a crash ended, for the core: exactly one of these stands in every record. */
enum crash_outcome {
	CRASH_STORED,	 /* the core is whole */
	CRASH_TRUNCATED, /* there is a part of the core: `reason` says why no more */
	CRASH_REFUSED,	 /* no core, because a rule says so */
	CRASH_FAILED,	 /* no core, because something went wrong */
};

/* How the handing over to the container ended. */
enum crash_delegation {
	CRASH_DELEGATION_NONE,	  /* nothing was to be done, or not yet */
	CRASH_DELEGATION_DONE,	  /* the agent or delegate exited 0 */
	CRASH_DELEGATION_FAILED,  /* it ran and failed: exit_status, term_signal, output */
	CRASH_DELEGATION_REFUSED, /* it was not started, on purpose: delegation_reason */
	CRASH_DELEGATION_ERROR,	  /* it could not be started: delegation_reason */
	/* not ended yet: */
	CRASH_DELEGATION_RUNNING, /* an attempt is under way */
	CRASH_DELEGATION_WAITING, /* for the next one, at next_attempt_us */
	/* its helper was stopped, and nobody goes on: delegation_reason */
	CRASH_DELEGATION_INTERRUPTED,
	CRASH_DELEGATION_LAST = CRASH_DELEGATION_INTERRUPTED,
};

struct crash {
	char id[CRASH_ID_SIZE];
	uint64_t time_us;      /* the crash: µs since 1970 */
	uint64_t published_us; /* when readers could first see it */
	char *boot_id;

	/* who: ids as the host sees them */
	uint32_t pid, tid, uid, gid;
	uint32_t container_pid; /* the pid in the innermost namespace */
	uint32_t signal;
	bool has_fault_address;
	uint64_t fault_address; /* siginfo's si_addr */
	/* crashes of the same kind have the same, "": not known; crash_set_signature() */
	char signature[CRASH_SIGNATURE_SIZE];
	uint32_t dump_mode; /* %d: 1 = an ordinary process */
	uint64_t rlimit_core;
	bool root_only; /* never leaves the host's root: set-uid and the like */
	char *comm, *exe, *cwd, *hostname;
	char **cmdline; /* NULL-terminated */

	/* where */
	char *container_runtime, *container_id, *container_name;
	char *container_image, *container_image_id;
	struct container_labels container_labels;
	char *pod, *pod_namespace, *pod_uid;
	char *container_lookup; /* why the engine did not tell of it, or NULL */
	/* The host's user who could have made up such a container: 0 is root, so it is true. */
	uint32_t container_owner;

	/* Of its network namespace, if that is not the host's; who asks from there may have it. */
	struct addresses addresses;

	/* the core */
	enum crash_outcome outcome;
	char *reason;
	char *core_file;      /* its name in the crash's directory, or NULL: no core */
	char *core_removed;   /* why the core is gone though it was stored, or NULL */
	char *not_compressed; /* why core_file stays raw, or NULL */
	uint64_t core_size;   /* bytes of the raw core */
	uint64_t stored_size; /* bytes of core_file */
	char core_sha256[DIGEST_HEX_SIZE], stored_sha256[DIGEST_HEX_SIZE];
	char *verified; /* --verify: "same", or where it differs; else NULL */
	char *capture_mode;
	char *capture_note; /* what went wrong on the way, though the core may be whole; or NULL */
	uint64_t captured_bytes, holes_bytes;
	uint64_t held_us; /* helper's start to the victim's release */

	/* the handing over */
	enum crash_delegation delegation;
	char *delegate; /* "agent", or the path of the container's program */
	char *delegation_reason;
	int32_t exit_status, term_signal; /* -1, 0: none */
	char *output;			  /* what it wrote, cut to a bound */
	char *fallback_core;		  /* what became of the fallback core, or NULL */
	uint64_t next_attempt_us;	  /* µs since 1970; 0: none is waited for */
	struct crash_attempts attempts;
};

void crash_init(struct crash *crash);
void crash_release(struct crash *crash);
#define cleanup_crash __attribute__((cleanup(crash_release)))

int crash_set_string(char **field, const char *value);
void crash_set_signature(struct crash *crash);
int crash_to_json(const struct crash *crash, char **ret_text);
int crash_from_json(const char *text, size_t len, struct crash *ret_crash);

const char *crash_outcome_name(enum crash_outcome outcome);
const char *crash_delegation_name(enum crash_delegation delegation);
const char *crash_signal_name(uint32_t signal);
