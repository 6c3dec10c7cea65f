// SPDX-License-Identifier: MIT
/*
 * The record of a crash.  Pure.  Its strings are the victim's.
 */
#include "crash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_PAGE_BITS 12 /* the same on every machine: signatures are compared */

/* Makes an empty record. */
void crash_init(struct crash *crash)
{
	*crash = (struct crash){ .exit_status = -1 };
}

/* Frees what the record owns, and empties it. */
void crash_release(struct crash *crash)
{
	for (char **arg = crash->cmdline; arg && *arg; arg++)
		free(*arg);
	free(crash->cmdline);

	char *strings[] = { crash->boot_id,
			    crash->comm,
			    crash->exe,
			    crash->cwd,
			    crash->hostname,
			    crash->container_runtime,
			    crash->container_id,
			    crash->container_name,
			    crash->reason,
			    crash->core_file,
			    crash->core_removed,
			    crash->capture_mode,
			    crash->capture_note,
			    crash->delegate,
			    crash->delegation_reason,
			    crash->output,
			    crash->fallback_core,
			    crash->verified,
			    crash->container_image,
			    crash->container_image_id,
			    crash->pod,
			    crash->pod_namespace,
			    crash->pod_uid,
			    crash->container_lookup,
			    crash->not_compressed };
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		free(strings[i]);
	container_labels_release(&crash->container_labels);
	crash_attempts_release(&crash->attempts);
	crash_init(crash);
}

/* Puts a copy of value (may be NULL) into a string of the record. 0 or -ENOMEM. */
int crash_set_string(char **field, const char *value)
{
	char *copy = NULL;

	if (value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

/*
 * Fills in the signature from exe, signal and the page of the fault address: the first 8 bytes of
 * SHA-256 over exe, NUL, signal in decimal, NUL, the page's address in hexadecimal ("" where there
 * is none).
 */
void crash_set_signature(struct crash *crash)
{
	char numbers[64], hex[DIGEST_HEX_SIZE];
	const char *exe = crash->exe ? crash->exe : "";
	struct sha256_ctx ctx;

	/* The digits, and between them the NUL that ends the first number. */
	int n = snprintf(numbers, sizeof(numbers), "%u", crash->signal) + 1;
	if (crash->has_fault_address)
		n += snprintf(numbers + n, sizeof(numbers) - (size_t)n, "%" PRIx64,
			      crash->fault_address >> SIGNATURE_PAGE_BITS << SIGNATURE_PAGE_BITS);
	digest_init(&ctx);
	digest_update(&ctx, exe, strlen(exe) + 1);
	digest_update(&ctx, numbers, (size_t)n);
	digest_finish_hex(&ctx, hex);
	memcpy(crash->signature, hex, CRASH_SIGNATURE_SIZE - 1);
	crash->signature[CRASH_SIGNATURE_SIZE - 1] = '\0';
}

static const char *const outcome_names[] = {
	[CRASH_STORED] = "stored",
	[CRASH_TRUNCATED] = "truncated",
	[CRASH_REFUSED] = "refused",
	[CRASH_FAILED] = "failed",
};

static const char *const delegation_names[] = {
	[CRASH_DELEGATION_NONE] = "none",	[CRASH_DELEGATION_DONE] = "done",
	[CRASH_DELEGATION_FAILED] = "failed",	[CRASH_DELEGATION_REFUSED] = "refused",
	[CRASH_DELEGATION_ERROR] = "error",	[CRASH_DELEGATION_RUNNING] = "running",
	[CRASH_DELEGATION_WAITING] = "waiting", [CRASH_DELEGATION_INTERRUPTED] = "interrupted",
};

/* The word that stands in the record. */
const char *crash_outcome_name(enum crash_outcome outcome)
{
	return outcome_names[outcome];
}

/* The word that stands in the record. */
const char *crash_delegation_name(enum crash_delegation delegation)
{
	return delegation_names[delegation];
}

/* "SIGSEGV" of 11; "SIG?" for what has no name. See: sigabbrev_np(3). */
const char *crash_signal_name(uint32_t signal)
{
	static _Thread_local char name[16];
	const char *abbreviation = signal < 128 ? sigabbrev_np((int)signal) : NULL;

	snprintf(name, sizeof(name), "SIG%s", abbreviation ? abbreviation : "?");
	return name;
}
