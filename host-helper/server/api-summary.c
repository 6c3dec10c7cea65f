// SPDX-License-Identifier: MIT
/*
 * A crash as a list shows it.
 */
#include <jansson.h>
#include <string.h>

#include "api.h"
#include "fd.h"
#include "json-fields.h"

static void put_container(json_t *object, const struct crash *c)
{
	json_t *container = json_object();

	json_put_text(container, "runtime", c->container_runtime);
	json_put_text(container, "id", c->container_id);
	json_put_text(container, "name", c->container_name);
	json_object_set_new(object, "container", container);
}

static void put_core(json_t *object, const struct crash *c)
{
	json_t *core = json_object();

	json_put_u64(core, "size", c->core_size);
	json_put_u64(core, "stored_size", c->stored_size);
	json_put_text(core, "raw_sha256", c->core_sha256);
	json_put_text(core, "sha256", c->stored_sha256);
	json_object_set_new(object, "core", core);
}

/*
 * What a list tells of a crash (a json_t), with the names that they have in its record.  NULL
 * crash: it is for root only, and of that there is only that it exists.
 */
void *api_crash_summary(const char *id, const struct crash *c)
{
	json_t *o = json_object();
	char time[32] = "";
	uint64_t time_us = 0;
	uint32_t pid;

	json_object_set_new(o, "id", json_string(id));
	if (crash_id_parse(id, &time_us, &pid) == 0 && crash_time_format(time_us, time) == 0)
		json_object_set_new(o, "time", json_string(time));
	json_object_set_new(o, "root_only", json_boolean(!c));
	if (!c)
		return o;
	json_put_u64(o, "published_us", c->published_us);
	json_put_u64(o, "pid", c->pid);
	json_put_u64(o, "uid", c->uid);
	json_put_u64(o, "signal", c->signal);
	json_put_text(o, "signal_name", crash_signal_name(c->signal));
	json_put_text(o, "comm", c->comm);
	json_put_text(o, "exe", c->exe);
	json_put_text(o, "hostname", c->hostname);
	json_put_text(o, "outcome", crash_outcome_name(c->outcome));
	json_put_text(o, "reason", c->reason);
	put_container(o, c);
	if (c->core_file)
		put_core(o, c);
	json_put_text(o, "delivery", crash_delegation_name(c->delegation));
	return o;
}
