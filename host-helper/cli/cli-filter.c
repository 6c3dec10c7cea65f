// SPDX-License-Identifier: MIT
/*
 * The options that choose crashes, for list, rm and watch; and the quick way to read what they look
 * at.
 *
 * The options are the operator's, what they are compared with is the victim's.
 */
#include "cli-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "clock.h"
#include "crash-glance.h"
#include "crash-lookup.h"
#include "fd.h"

#define GLANCE_MAX (64U << 10) /* a record that is longer is read in full */

/* Takes one of CLI_FILTER_OPTIONS, or what all commands have. CLI_GO_ON, or the exit code. */
int cli_filter_option(struct cli *cli, int option, struct crash_filter *filter)
{
	static const char *const keys[] = { "since", "until", "pid", "exe", "container", "signal" };
	char why[CRASH_FILTER_WHY_SIZE], what[CRASH_FILTER_WHY_SIZE + 32];

	if (option < CLI_FILTER_SINCE || option >= CLI_FILTER_END)
		return cli_option(cli, option);
	const char *key = keys[option - CLI_FILTER_SINCE];
	if (crash_filter_set(filter, key, optarg, clock_now_us(), why) == 0)
		return CLI_GO_ON;
	snprintf(what, sizeof(what), "--%s %s", key, why);
	return cli_usage_error(cli, what);
}

/* True if the crash is one of those that are meant. */
bool cli_filter_matches(const struct crash_filter *filter, const struct crash *crash)
{
	const struct crash_summary summary = { crash->time_us,	      crash->pid,
					       crash->signal,	      crash->exe,
					       crash->container_name, crash->container_id };

	return crash_filter_matches(filter, &summary);
}

/* True if it means all crashes. */
bool cli_filter_is_empty(const struct crash_filter *f)
{
	return !f->exe[0] && !f->container[0] && !f->has_pid && !f->has_signal &&
	       f->since_us == 0 && f->until_us == 0;
}

/* Without the crash's lock: a record that is just being removed is as good as one that is. */
static int glance(const struct store *store, const char *id, char **ret_text,
		  struct crash *ret_crash)
{
	char path[CRASH_ID_SIZE + sizeof("/" CRASH_JSON_NAME)];
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/" CRASH_JSON_NAME, id);
	int r = file_read_at(store->crashes_fd, path, GLANCE_MAX, ret_text, &len);
	if (r < 0)
		return -EAGAIN;
	return strlen(*ret_text) == len ? crash_glance(*ret_text, ret_crash) : -EAGAIN;
}

/*
 * Reads what a list shows of a crash (id: one of the store's own).  *ret_borrowed: the strings
 * stand in *text, and the record is not to be released; else it is.  *text, which may be NULL
 * before, is to be freed in any case.  0, or as crash_lookup_record().
 */
int cli_filter_read(const struct store *store, const char *id, char **text, struct crash *ret_crash,
		    bool *ret_borrowed)
{
	free(*text);
	*text = NULL;
	*ret_borrowed = glance(store, id, text, ret_crash) == 0;
	return *ret_borrowed ? 0 : crash_lookup_record(store, id, NULL, ret_crash, NULL, NULL);
}
