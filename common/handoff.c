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

#include "fd.h"
#include "proc.h"

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

/* What of the victim's own environment may come along, and to whom. */
static const struct passed {
	const char *name;
	bool agent_only; /* a delegate is a program of the container, and has its own ways */
	bool is_where;	 /* it has a say in where the core goes */
} passed[] = {
	{ "COREFERRY_URL", false, true },      { "http_proxy", false, true },
	{ "https_proxy", false, true },	       { "HTTPS_PROXY", false, true },
	{ "all_proxy", false, true },	       { "ALL_PROXY", false, true },
	{ "no_proxy", false, true },	       { "NO_PROXY", false, true },
	{ "AWS_ENDPOINT_URL", true, true },    { "AWS_ENDPOINT_URL_S3", true, true },
	{ "AWS_ACCESS_KEY_ID", true, false },  { "AWS_SECRET_ACCESS_KEY", true, false },
	{ "AWS_SESSION_TOKEN", true, false },  { "AWS_REGION", true, false },
	{ "AWS_DEFAULT_REGION", true, false }, { "AWS_SHARED_CREDENTIALS_FILE", true, false },
	{ "AWS_PROFILE", true, false },	       { "SSL_CERT_FILE", true, false },
	{ "COREFERRY_ENCODING", true, false },
};

static int add_passed(struct handoff *h, const struct handoff_request *q)
{
	for (size_t i = 0; q->environ && i < sizeof(passed) / sizeof(*passed); i++) {
		if ((passed[i].agent_only && !q->is_agent) ||
		    (passed[i].is_where && q->is_agent && !q->config->trust_container_url))
			continue;
		int r = add(h, passed[i].name,
			    proc_environ_get(q->environ, q->environ_len, passed[i].name));

		if (r < 0)
			return r;
	}
	return 0;
}

static const char *encoding_name(enum config_encoding encoding)
{
	return encoding == CONFIG_ENCODING_ZSTD	      ? "zstd"
	       : encoding == CONFIG_ENCODING_IDENTITY ? "identity"
						      : NULL;
}

/* What only our own agent understands. */
static int add_for_agent(struct handoff *h, const struct handoff_request *q)
{
	if (!q->is_agent)
		return 0;
	int r = add(h, "CORE_DEFAULT_ENCODING", encoding_name(q->config->encoding));
	if (r == 0 && !q->config->trust_container_url)
		r = add(h, "CORE_TRUST_URL", "no");
	if (r == 0)
		r = add(h, "CORE_RESUME", q->resume);
	if (r == 0)
		r = add(h, "CORE_CWD", q->cwd);
	if (r == 0 && q->abandon)
		r = add(h, "CORE_ABANDON", "1");
	return r;
}

/* Makes the environment.  0, or -errno and nothing to release. */
int handoff_make(struct handoff *h, const struct handoff_request *q)
{
	const struct crash *crash = q->crash;
	bool stored = q->stored_form;

	*h = (struct handoff){ { NULL } };
	int r = add(h, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (r == 0)
		r = add_crash(h, crash);
	if (r == 0)
		r = add(h, "CORE_ENCODING", stored ? "zstd" : "identity");
	if (r == 0)
		r = add_number(h, "CORE_SIZE", stored ? crash->stored_size : crash->core_size);
	if (r == 0)
		r = add(h, "CORE_SHA256", stored ? crash->stored_sha256 : crash->core_sha256);
	if (r == 0)
		r = add(h, "CORE_DEFAULT_URL", q->config->url);
	if (r == 0)
		r = add_for_agent(h, q);
	if (r == 0)
		r = add_passed(h, q);
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
