// SPDX-License-Identifier: MIT
/*
 * common/crash-json.c: a record, crash.json, that may be damaged or have come over HTTP.
 *
 * What is taken has a valid id, no other file than ours, and outcomes that have a name.  Written
 * and read again it is the same record: its text does not change any more, and is printable.
 */
#include "crash.h"

#include <errno.h>

#include "fuzz.h"

static void check_record(const struct crash *c)
{
	assert(crash_id_is_valid(c->id));
	assert(!c->core_file || strcmp(c->core_file, CRASH_CORE_RAW_NAME) == 0 ||
	       strcmp(c->core_file, CRASH_CORE_ZST_NAME) == 0);
	assert(strlen(c->core_sha256) % 64 == 0 && strlen(c->stored_sha256) % 64 == 0);
	assert(strlen(c->signature) % 16 == 0);
	assert(crash_outcome_name(c->outcome) && crash_delegation_name(c->delegation));
	assert(c->exit_status >= -1 && c->exit_status <= 255);
	assert(c->term_signal >= 0 && c->term_signal <= 127);
	assert(c->attempts.kept <= CRASH_ATTEMPTS_MAX && c->attempts.count >= c->attempts.kept);
}

static void check_text(const char *text)
{
	cleanup_free char *copy = strdup(text);

	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
		assert(fuzz_is_printable(line, strlen(line) + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_crash struct crash crash, again;
	cleanup_free char *text = NULL, *text_again = NULL;

	crash_init(&crash);
	crash_init(&again);
	int r = crash_from_json((const char *)data, size, &crash);
	if (r < 0) {
		assert(r == -EINVAL && !crash.comm && crash.id[0] == '\0');
		return 0;
	}
	check_record(&crash);
	assert(crash_to_json(&crash, &text) == 0);
	check_text(text);

	assert(crash_from_json(text, strlen(text), &again) == 0);
	check_record(&again);
	assert(crash_to_json(&again, &text_again) == 0);
	assert(strcmp(text, text_again) == 0);

	crash_set_signature(&crash);
	crash_set_signature(&again);
	assert(strlen(crash.signature) == 16 && strcmp(crash.signature, again.signature) == 0);
	return 0;
}
