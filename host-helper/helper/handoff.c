// SPDX-License-Identifier: MIT
/*
 * What an agent or delegate is told: its environment.  docs/PROTOCOL.md is the contract.
 *
 * Values may be the victim's bytes: they go back to where they came from, with its rights.  Names
 * are ours alone, so nothing of the victim's environment steers a program that starts on the host.
 */
#include "handoff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fd.h"

static int add(struct handoff *h, const char *name, const char *value)
{
	size_t n = 0;

	if (!value || !*value)
		return 0;
	while (h->environment[n])
		n++;
	if (n == HANDOFF_VARIABLES_MAX)
		return -E2BIG;
	if (asprintf(&h->environment[n], "%s=%s", name, value) < 0) {
		h->environment[n] = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int add_number(struct handoff *h, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return add(h, name, text);
}

static int add_crash(struct handoff *h, const struct crash *c)
{
	const char *const containers[] = { c->container_name, c->container_id };
	const char *container = containers[0] && *containers[0] ? containers[0] : containers[1];
	char time[32] = "";

	(void)crash_time_format(c->time_us, time);
	if (add(h, "CORE_ID", c->id) < 0 || add_number(h, "CORE_PID", c->container_pid) < 0 ||
	    add_number(h, "CORE_HOST_PID", c->pid) < 0 || add_number(h, "CORE_TID", c->tid) < 0 ||
	    add_number(h, "CORE_UID", c->uid) < 0 || add_number(h, "CORE_GID", c->gid) < 0 ||
	    add_number(h, "CORE_SIGNAL", c->signal) < 0 || add(h, "CORE_TIMESTAMP", time) < 0 ||
	    add(h, "CORE_COMM", c->comm) < 0 || add(h, "CORE_EXE", c->exe) < 0 ||
	    add(h, "CORE_HOSTNAME", c->hostname) < 0 ||
	    add(h, "CORE_RUNTIME", c->container_runtime) < 0 ||
	    add(h, "CORE_CONTAINER", container) < 0 ||
	    add(h, "CORE_OUTCOME", crash_outcome_name(c->outcome)) < 0 ||
	    add_number(h, "CORE_RAW_SIZE", c->core_size) < 0 ||
	    add(h, "CORE_RAW_SHA256", c->core_sha256) < 0)
		return -ENOMEM;
	return 0;
}

/* What of the victim's own environment may come along. */
static int add_passed(struct handoff *h, const struct victim *v)
{
	static const char *const names[] = { "COREFERRY_URL", "http_proxy", "https_proxy",
					     "HTTPS_PROXY",   "all_proxy",  "ALL_PROXY",
					     "no_proxy",      "NO_PROXY" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int r = add(h, names[i], victim_environ(v, names[i]));

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Makes the environment.  stored_form: stdin will be the stored file (zstd), else the raw core.
 * 0, or -errno and nothing to release.
 */
int handoff_make(struct handoff *h, const struct crash *crash, const struct victim *victim,
		 const struct config *config, bool stored_form)
{
	*h = (struct handoff){ { NULL } };
	int r = add(h, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (r == 0)
		r = add_crash(h, crash);
	if (r == 0)
		r = add(h, "CORE_ENCODING", stored_form ? "zstd" : "identity");
	if (r == 0)
		r = add_number(h, "CORE_SIZE", stored_form ? crash->stored_size : crash->core_size);
	if (r == 0)
		r = add(h, "CORE_SHA256", stored_form ? crash->stored_sha256 : crash->core_sha256);
	if (r == 0)
		r = add(h, "CORE_DEFAULT_URL", config->url);
	if (r == 0)
		r = add_passed(h, victim);
	if (r < 0)
		handoff_release(h);
	return r;
}

/* Frees it. */
void handoff_release(struct handoff *h)
{
	for (size_t i = 0; h->environment[i]; i++)
		free(h->environment[i]);
	*h = (struct handoff){ { NULL } };
}
