// SPDX-License-Identifier: MIT
/*
 * Whether a core is taken, and how much of it: decided before the capture, by the configuration.
 *
 * The record's strings are the victim's.  They are matched against the operator's patterns and
 * hashed into keys; reasons are made of numbers and of the configuration alone.
 */
#include "admission.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "rate.h"
#include "text.h"

/* With less than this left above keep_free there is no core worth having. */
#define ADMISSION_LEAST_BYTES (1U << 20)

/* The kernel writes no core file with a limit of less than a page. See: fs/coredump.c,
 * min_coredump. */
#define ADMISSION_RLIMIT_LEAST 4096

#define NUMBER_TEXT_SIZE 32 /* any number and its unit */

__attribute__((format(printf, 3, 4))) static void
refuse(struct admission *admission, enum counter counter, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(admission->reason, sizeof(admission->reason), format, args);
	va_end(args);
	admission->refused = true;
	admission->counter = counter;
}

/* A number as it would stand in the configuration: in the largest unit in which it is whole. */
static void format_number(uint64_t number, const char *const *units, const uint64_t *factors,
			  char text[NUMBER_TEXT_SIZE])
{
	for (; *factors > 1; units++, factors++)
		if (number > 0 && number % *factors == 0)
			break;
	snprintf(text, NUMBER_TEXT_SIZE, "%" PRIu64 "%s", number / *factors, *units);
}

static void format_size(uint64_t bytes, char text[NUMBER_TEXT_SIZE])
{
	static const char *const units[] = { "T", "G", "M", "K", "" };
	static const uint64_t factors[] = { 1ULL << 40, 1ULL << 30, 1ULL << 20, 1ULL << 10, 1 };

	format_number(bytes, units, factors, text);
}

static void format_duration(uint64_t ms, char text[NUMBER_TEXT_SIZE])
{
	static const char *const units[] = { "h", "min", "s", "ms" };
	static const uint64_t factors[] = { 3600000, 60000, 1000, 1 };

	format_number(ms, units, factors, text);
}

/* --- exclude --- */

static bool has(const char *text)
{
	return text && *text;
}

/* The pattern that the program matches, or NULL. */
static const char *match_exe(char *const *patterns, const char *exe)
{
	for (; has(exe) && *patterns; patterns++)
		if (fnmatch(*patterns, strchr(*patterns, '/') ? exe : text_basename(exe), 0) == 0)
			return *patterns;
	return NULL;
}

/* Whether "RUNTIME:NAME" matches, or NAME if the pattern holds no ':'. */
static bool matches_container(const char *pattern, const char *runtime, const char *name)
{
	cleanup_free char *both = NULL;

	if (!has(name))
		return false;
	if (!strchr(pattern, ':'))
		return fnmatch(pattern, name, 0) == 0;
	return asprintf(&both, "%s:%s", runtime ? runtime : "", name) >= 0 &&
	       fnmatch(pattern, both, 0) == 0;
}

static const char *match_container(char *const *patterns, const struct crash *crash)
{
	for (; *patterns; patterns++)
		if (matches_container(*patterns, crash->container_runtime, crash->container_name) ||
		    matches_container(*patterns, crash->container_runtime, crash->container_id))
			return *patterns;
	return NULL;
}

static void decide_exclude(const struct admission_request *request, struct admission *admission)
{
	const struct config *config = request->config;
	const char *pattern = match_exe(config->exclude_exe, request->crash->exe);

	if (pattern) {
		refuse(admission, COUNTER_REFUSED_EXCLUDE, "exclude_exe: matches %s", pattern);
		return;
	}
	pattern = match_container(config->exclude_container, request->crash);
	if (pattern)
		refuse(admission, COUNTER_REFUSED_EXCLUDE, "exclude_container: matches %s",
		       pattern);
}

/* --- rlimit --- */

static void decide_rlimit(const struct admission_request *request, struct admission *admission)
{
	uint64_t limit = request->crash->rlimit_core;

	if (!request->config->honour_rlimit || !request->has_rlimit || limit == UINT64_MAX)
		return;
	if (limit < ADMISSION_RLIMIT_LEAST) {
		refuse(admission, COUNTER_REFUSED_RLIMIT,
		       "honour_rlimit: RLIMIT_CORE is %" PRIu64 " bytes", limit);
		return;
	}
	admission->max_offset = limit;
	snprintf(admission->max_offset_reason, sizeof(admission->max_offset_reason),
		 "honour_rlimit: RLIMIT_CORE is %" PRIu64 " bytes", limit);
}

/* --- rate --- */

/*
 * Whose crash it is: the container's id, or its name, or outside of containers the user's.  Then
 * the program and the signal: a signature is one container's, so that no other can use it up.
 * The container's key is the beginning of the signature's.
 */
static char *make_key(const struct crash *crash, size_t *ret_container_len, size_t *ret_len)
{
	const char *kind = "id", *who = crash->container_id, *program = crash->exe;
	char uid[NUMBER_TEXT_SIZE];
	char *key;

	if (!has(who))
		kind = crash->container_runtime, who = crash->container_name;
	if (!has(who)) {
		snprintf(uid, sizeof(uid), "%u", crash->uid);
		kind = "uid", who = uid;
	}
	/* Of a container that a user of the host could have made up, that user. */
	if (crash->container_owner != 0) {
		snprintf(uid, sizeof(uid), "%u", crash->container_owner);
		kind = "owner", who = uid;
	}
	if (!has(program))
		program = crash->comm ? crash->comm : "";
	int len = asprintf(&key, "%s%c%s%c%s%c%u", kind ? kind : "", 0, who, 0, program, 0,
			   crash->signal);
	if (len < 0)
		return NULL;
	*ret_container_len = strlen(kind ? kind : "") + strlen(who) + 2;
	*ret_len = (size_t)len;
	return key;
}

static void refuse_rate(const char *key, enum counter counter, const struct config_rate *rate,
			struct admission *admission)
{
	char window[NUMBER_TEXT_SIZE];

	format_duration(rate->window_ms, window);
	refuse(admission, counter, "%s: more than %u in %s", key, rate->count, window);
}

/* What cannot be counted is let through: a core that is not taken is lost. */
static void decide_rate(const struct admission_request *request, struct admission *admission)
{
	const struct config *config = request->config;
	size_t container_len = 0, len = 0, refused;

	if (config->rate_per_container.count == 0 && config->rate_per_signature.count == 0)
		return;
	cleanup_free char *key = make_key(request->crash, &container_len, &len);
	const struct rate_question questions[] = {
		{ RATE_SIGNATURE, config->rate_per_signature, key, len },
		{ RATE_CONTAINER, config->rate_per_container, key, container_len },
	};
	int r = key ? rate_check(request->storefd, questions, 2, request->crash->time_us, &refused)
		    : -ENOMEM;

	if (r < 0)
		log_warning("rate_per_container, rate_per_signature: not checked: %s/rates: %s",
			    config->store, strerror(-r));
	else if (refused == 0)
		refuse_rate("rate_per_signature", COUNTER_REFUSED_RATE_SIGNATURE,
			    &config->rate_per_signature, admission);
	else if (refused == 1)
		refuse_rate("rate_per_container", COUNTER_REFUSED_RATE_CONTAINER,
			    &config->rate_per_container, admission);
}

/* --- space --- */

/*
 * The last step of admission_decide() alone: keep_free.  To be asked again, with the numbers of
 * then, where it had refused and something has been removed since; a refusal for another reason
 * must not come here.
 */
void admission_decide_space(const struct admission_request *request, struct admission *ret)
{
	uint64_t keep = config_share_bytes(&request->config->keep_free, request->fs_total_bytes);
	uint64_t room = request->fs_free_bytes > keep ? request->fs_free_bytes - keep : 0;
	uint64_t resident = request->resident_bytes;

	ret->refused = false;
	ret->reason[0] = '\0';
	ret->max_disk = keep > 0 ? room : UINT64_MAX;
	/* While it is compressed there are both; and what is left out needs no room. */
	if (resident > ret->max_bytes)
		resident = ret->max_bytes;
	ret->fits_spool = resident > 0 && resident <= room / 2;
	if (keep > 0 && room < ADMISSION_LEAST_BYTES)
		refuse(ret, COUNTER_REFUSED_KEEP_FREE,
		       "keep_free: %" PRIu64 " MiB of the disk are free, and %" PRIu64
		       " MiB are to be left",
		       request->fs_free_bytes >> 20, keep >> 20);
}

/*
 * Decides whether the core of a crash is taken, by exclude_exe, exclude_container, honour_rlimit,
 * rate_per_signature, rate_per_container and keep_free, in this order; the first that refuses is
 * told.  A crash is counted for the rates here, so this is to be called once.
 */
void admission_decide(const struct admission_request *request, struct admission *ret_admission)
{
	const uint64_t max_core = request->config->max_core;
	struct admission a = { .max_bytes = max_core > 0 ? max_core : UINT64_MAX,
			       .max_offset = UINT64_MAX,
			       .max_disk = UINT64_MAX };

	if (max_core > 0) {
		char size[NUMBER_TEXT_SIZE];

		format_size(max_core, size);
		snprintf(a.max_bytes_reason, sizeof(a.max_bytes_reason),
			 "max_core: no more than %s of memory", size);
	}
	decide_exclude(request, &a);
	if (!a.refused)
		decide_rlimit(request, &a);
	if (!a.refused)
		decide_rate(request, &a);
	if (!a.refused)
		admission_decide_space(request, &a);
	*ret_admission = a;
}
