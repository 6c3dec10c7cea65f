// SPDX-License-Identifier: MIT
/*
 * The record of a crash in its written form, crash.json.  Pure.
 *
 * Its strings are the victim's; crash_from_json() also takes records that came over HTTP.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addresses-json.h"
#include "crash.h"
#include "fd.h"
#include "json-fields.h"
#include "parse.h"
#include "text.h"

#define CRASH_JSON_VERSION 1
#define CRASH_CMDLINE_MAX  4096

/* --- writing --- */

/* Addresses are more than JSON's integers hold in most readers. */
static int put_address(json_t *object, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_put(object, key, json_string(text));
}

static json_t *cmdline_to_json(char *const *cmdline)
{
	json_t *array = json_array();

	for (; array && cmdline && *cmdline; cmdline++) {
		cleanup_free char *escaped = text_escape(*cmdline, strlen(*cmdline));

		if (!escaped || json_array_append_new(array, json_string(escaped)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *labels_to_json(const struct container_labels *labels)
{
	json_t *o = json_object();

	for (size_t i = 0; o && i < labels->count; i++) {
		const char *key = labels->items[i].key, *value = labels->items[i].value;
		cleanup_free char *escaped_key = text_escape(key, strlen(key));
		cleanup_free char *escaped = text_escape(value, strlen(value));

		if (!escaped_key || !escaped ||
		    json_put(o, escaped_key, json_string(escaped)) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static json_t *container_to_json(const struct crash *c)
{
	const struct container_labels *labels = &c->container_labels;
	json_t *o = json_object();

	if (o &&
	    (json_put_text(o, "runtime", c->container_runtime) < 0 ||
	     json_put_text(o, "id", c->container_id) < 0 ||
	     json_put_text(o, "name", c->container_name) < 0 ||
	     json_put_text(o, "image", c->container_image) < 0 ||
	     json_put_text(o, "image_id", c->container_image_id) < 0 ||
	     (labels->count > 0 && json_put(o, "labels", labels_to_json(labels)) < 0) ||
	     (labels->left_out > 0 && json_put_u64(o, "labels_left_out", labels->left_out) < 0) ||
	     json_put_text(o, "pod", c->pod) < 0 ||
	     json_put_text(o, "pod_namespace", c->pod_namespace) < 0 ||
	     json_put_text(o, "pod_uid", c->pod_uid) < 0 ||
	     json_put_text(o, "lookup", c->container_lookup) < 0 ||
	     (c->container_owner > 0 && json_put_u64(o, "owner", c->container_owner) < 0) ||
	     addresses_to_json(&c->addresses, o) < 0)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *core_to_json(const struct crash *c)
{
	json_t *o = json_object();

	/* What was there is told of a core that was removed, too. */
	if (o && (c->core_file || c->core_removed) &&
	    (json_put_text(o, "file", c->core_file) < 0 ||
	     json_put_u64(o, "size", c->core_size) < 0 ||
	     json_put_u64(o, "stored_size", c->stored_size) < 0 ||
	     json_put_text(o, "sha256", c->stored_sha256) < 0 ||
	     json_put_text(o, "raw_sha256", c->core_sha256) < 0 ||
	     json_put_text(o, "not_compressed", c->not_compressed) < 0)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *capture_to_json(const struct crash *c)
{
	json_t *o = json_object();

	if (o && (json_put_text(o, "mode", c->capture_mode) < 0 ||
		  json_put_text(o, "note", c->capture_note) < 0 ||
		  json_put(o, "held_ms", json_real((double)c->held_us / 1000.0)) < 0 ||
		  json_put_u64(o, "captured_bytes", c->captured_bytes) < 0 ||
		  json_put_u64(o, "holes_bytes", c->holes_bytes) < 0 ||
		  json_put_text(o, "verified", c->verified) < 0 ||
		  json_put(o, "truncated", json_boolean(c->outcome == CRASH_TRUNCATED)) < 0)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *delegation_to_json(const struct crash *c)
{
	json_t *o = json_object();

	if (o &&
	    (json_put(o, "status", json_string(crash_delegation_name(c->delegation))) < 0 ||
	     json_put_text(o, "delegate", c->delegate) < 0 ||
	     json_put_text(o, "reason", c->delegation_reason) < 0 ||
	     (c->exit_status >= 0 &&
	      json_put_u64(o, "exit_status", (uint64_t)c->exit_status) < 0) ||
	     (c->term_signal > 0 && json_put_u64(o, "term_signal", (uint64_t)c->term_signal) < 0) ||
	     json_put_text(o, "output", c->output) < 0 ||
	     json_put_text(o, "fallback_core", c->fallback_core) < 0 ||
	     json_put_time(o, "next_attempt", c->next_attempt_us) < 0 ||
	     json_put_positive(o, "next_attempt_us", c->next_attempt_us) < 0 ||
	     json_put_positive(o, "attempt_count", c->attempts.count) < 0 ||
	     (c->attempts.kept > 0 &&
	      json_put(o, "attempts", crash_attempts_to_json(&c->attempts)) < 0))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int crash_to_object(const struct crash *c, json_t *o)
{
	if (json_put_u64(o, "version", CRASH_JSON_VERSION) < 0 ||
	    json_put_text(o, "id", c->id) < 0 || json_put_time(o, "time", c->time_us) < 0 ||
	    json_put_u64(o, "time_us", c->time_us) < 0 ||
	    json_put_u64(o, "published_us", c->published_us) < 0 ||
	    json_put_text(o, "boot_id", c->boot_id) < 0 || json_put_u64(o, "pid", c->pid) < 0 ||
	    json_put_u64(o, "tid", c->tid) < 0 ||
	    json_put_u64(o, "container_pid", c->container_pid) < 0 ||
	    json_put_u64(o, "uid", c->uid) < 0 || json_put_u64(o, "gid", c->gid) < 0 ||
	    json_put_u64(o, "signal", c->signal) < 0 ||
	    json_put_text(o, "signal_name", crash_signal_name(c->signal)) < 0 ||
	    (c->has_fault_address && put_address(o, "fault_address", c->fault_address) < 0) ||
	    json_put_text(o, "signature", c->signature) < 0 ||
	    json_put_u64(o, "dump_mode", c->dump_mode) < 0 ||
	    json_put_u64(o, "rlimit_core", c->rlimit_core) < 0 ||
	    json_put(o, "root_only", json_boolean(c->root_only)) < 0 ||
	    json_put_text(o, "comm", c->comm) < 0 || json_put_text(o, "exe", c->exe) < 0 ||
	    json_put(o, "cmdline", cmdline_to_json(c->cmdline)) < 0 ||
	    json_put_text(o, "cwd", c->cwd) < 0 || json_put_text(o, "hostname", c->hostname) < 0 ||
	    json_put(o, "container", container_to_json(c)) < 0 ||
	    json_put(o, "outcome", json_string(crash_outcome_name(c->outcome))) < 0 ||
	    json_put_text(o, "reason", c->reason) < 0 || json_put(o, "core", core_to_json(c)) < 0 ||
	    json_put_text(o, "core_removed", c->core_removed) < 0 ||
	    json_put(o, "capture", capture_to_json(c)) < 0 ||
	    json_put(o, "delegation", delegation_to_json(c)) < 0)
		return -ENOMEM;
	return 0;
}

/* The record as JSON text, with a line end behind (free it). 0 or -ENOMEM. */
int crash_to_json(const struct crash *crash, char **ret_text)
{
	json_t *object = json_object();
	int r = object ? crash_to_object(crash, object) : -ENOMEM;

	if (r == 0) {
		cleanup_free char *text =
			json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));

		if (!text || asprintf(ret_text, "%s\n", text) < 0)
			r = -ENOMEM;
	}
	json_decref(object);
	return r;
}

/* --- reading --- */

/* size: of hex, with its NUL. */
static void get_hex(const json_t *object, const char *key, char *hex, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text && strlen(text) == size - 1 && strspn(text, "0123456789abcdef") == size - 1)
		memcpy(hex, text, size);
}

static bool get_address(const json_t *object, const char *key, uint64_t *ret_value)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && strncmp(text, "0x", 2) == 0 && parse_hex_u64(text + 2, ret_value) == 0;
}

/* The outcome, or -EINVAL. */
static int get_outcome(const json_t *object)
{
	const char *text = json_string_value(json_object_get(object, "outcome"));

	for (int i = 0; text && i <= CRASH_FAILED; i++)
		if (strcmp(text, crash_outcome_name((enum crash_outcome)i)) == 0)
			return i;
	return -EINVAL;
}

/* One that a newer version has made is not known. */
static enum crash_delegation get_delegation(const json_t *object)
{
	const char *text = json_string_value(json_object_get(object, "status"));

	for (int i = 0; text && i <= CRASH_DELEGATION_LAST; i++)
		if (strcmp(text, crash_delegation_name((enum crash_delegation)i)) == 0)
			return (enum crash_delegation)i;
	return CRASH_DELEGATION_NONE;
}

static int get_cmdline(const json_t *array, char ***field)
{
	size_t count = json_array_size(array), i;
	json_t *item;

	if (count == 0)
		return 0;
	if (count > CRASH_CMDLINE_MAX)
		return -EINVAL;
	*field = calloc(count + 1, sizeof(char *));
	if (!*field)
		return -ENOMEM;
	json_array_foreach (array, i, item) {
		const char *text = json_string_value(item);

		(*field)[i] = text_unescape(text ? text : "", NULL);
		if (!(*field)[i])
			return -ENOMEM;
	}
	return 0;
}

static int get_labels(const json_t *object, struct container_labels *labels)
{
	const json_t *value;
	const char *key;

	/* jansson's iteration changes nothing. */
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		cleanup_free char *key_bytes = text_unescape(key, NULL);
		cleanup_free char *bytes = NULL;

		if (!json_is_string(value))
			continue;
		bytes = text_unescape(json_string_value(value), NULL);
		if (!key_bytes || !bytes || container_labels_add(labels, key_bytes, bytes) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_container(const json_t *o, struct crash *c)
{
	if (json_get_text(o, "runtime", &c->container_runtime) < 0 ||
	    json_get_text(o, "id", &c->container_id) < 0 ||
	    json_get_text(o, "name", &c->container_name) < 0 ||
	    json_get_text(o, "image", &c->container_image) < 0 ||
	    json_get_text(o, "image_id", &c->container_image_id) < 0 ||
	    json_get_text(o, "pod", &c->pod) < 0 ||
	    json_get_text(o, "pod_namespace", &c->pod_namespace) < 0 ||
	    json_get_text(o, "pod_uid", &c->pod_uid) < 0 ||
	    json_get_text(o, "lookup", &c->container_lookup) < 0 ||
	    get_labels(json_object_get(o, "labels"), &c->container_labels) < 0)
		return -ENOMEM;
	uint64_t left_out =
		c->container_labels.left_out + (uint64_t)json_get_u32(o, "labels_left_out");
	c->container_labels.left_out = left_out < UINT32_MAX ? (uint32_t)left_out : UINT32_MAX;
	c->container_owner = json_get_u32(o, "owner");
	addresses_from_json(o, &c->addresses);
	return 0;
}

static int read_parts(const json_t *o, struct crash *c)
{
	const json_t *core = json_object_get(o, "core");
	const json_t *capture = json_object_get(o, "capture");
	const json_t *delegation = json_object_get(o, "delegation");

	if (read_container(json_object_get(o, "container"), c) < 0 ||
	    json_get_text(core, "file", &c->core_file) < 0 ||
	    json_get_text(core, "not_compressed", &c->not_compressed) < 0 ||
	    json_get_text(capture, "mode", &c->capture_mode) < 0 ||
	    json_get_text(capture, "note", &c->capture_note) < 0 ||
	    json_get_text(capture, "verified", &c->verified) < 0 ||
	    json_get_text(delegation, "delegate", &c->delegate) < 0 ||
	    json_get_text(delegation, "reason", &c->delegation_reason) < 0 ||
	    json_get_text(delegation, "output", &c->output) < 0 ||
	    json_get_text(delegation, "fallback_core", &c->fallback_core) < 0)
		return -ENOMEM;

	/* The core's name becomes a path: only the two names that we write are taken. */
	if (c->core_file && strcmp(c->core_file, CRASH_CORE_ZST_NAME) != 0 &&
	    strcmp(c->core_file, CRASH_CORE_RAW_NAME) != 0)
		return -EINVAL;

	c->core_size = json_get_u64(core, "size");
	c->stored_size = json_get_u64(core, "stored_size");
	get_hex(core, "sha256", c->stored_sha256, sizeof(c->stored_sha256));
	get_hex(core, "raw_sha256", c->core_sha256, sizeof(c->core_sha256));

	double held_ms = json_number_value(json_object_get(capture, "held_ms"));
	c->held_us = held_ms > 0 && held_ms <= 1e12 ? (uint64_t)(held_ms * 1000 + 0.5) : 0;
	c->captured_bytes = json_get_u64(capture, "captured_bytes");
	c->holes_bytes = json_get_u64(capture, "holes_bytes");

	c->delegation = get_delegation(delegation);
	c->next_attempt_us = json_get_u64(delegation, "next_attempt_us");
	if (json_object_get(delegation, "exit_status"))
		c->exit_status = (int32_t)(json_get_u32(delegation, "exit_status") & 0xff);
	c->term_signal = (int32_t)(json_get_u32(delegation, "term_signal") & 0x7f);
	return crash_attempts_from_json(json_object_get(delegation, "attempts"),
					json_get_u32(delegation, "attempt_count"), &c->attempts);
}

static int crash_from_object(const json_t *o, struct crash *c)
{
	const char *id = json_string_value(json_object_get(o, "id"));
	int outcome = get_outcome(o);

	if (json_get_u64(o, "version") != CRASH_JSON_VERSION || !id || !crash_id_is_valid(id) ||
	    outcome < 0)
		return -EINVAL;
	snprintf(c->id, sizeof(c->id), "%s", id);
	c->outcome = (enum crash_outcome)outcome;
	c->time_us = json_get_u64(o, "time_us");
	c->published_us = json_get_u64(o, "published_us");
	c->pid = json_get_u32(o, "pid");
	c->tid = json_get_u32(o, "tid");
	c->container_pid = json_get_u32(o, "container_pid");
	c->uid = json_get_u32(o, "uid");
	c->gid = json_get_u32(o, "gid");
	c->signal = json_get_u32(o, "signal");
	c->has_fault_address = get_address(o, "fault_address", &c->fault_address);
	get_hex(o, "signature", c->signature, sizeof(c->signature));
	c->dump_mode = json_get_u32(o, "dump_mode");
	c->rlimit_core = json_get_u64(o, "rlimit_core");
	c->root_only = !json_is_false(json_object_get(o, "root_only"));

	if (json_get_text(o, "boot_id", &c->boot_id) < 0 ||
	    json_get_text(o, "comm", &c->comm) < 0 || json_get_text(o, "exe", &c->exe) < 0 ||
	    json_get_text(o, "cwd", &c->cwd) < 0 ||
	    json_get_text(o, "hostname", &c->hostname) < 0 ||
	    json_get_text(o, "reason", &c->reason) < 0 ||
	    json_get_text(o, "core_removed", &c->core_removed) < 0)
		return -ENOMEM;
	int r = get_cmdline(json_object_get(o, "cmdline"), &c->cmdline);
	return r < 0 ? r : read_parts(o, c);
}

/*
 * Reads a record.  On success *ret_crash is overwritten and owned by the caller (crash_release()).
 * -EINVAL: not JSON, not a record, or of a version that we do not know; -ENOMEM.
 */
int crash_from_json(const char *text, size_t len, struct crash *ret_crash)
{
	cleanup_crash struct crash crash;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int r = -EINVAL;

	crash_init(&crash);
	if (json_is_object(object))
		r = crash_from_object(object, &crash);
	json_decref(object);
	if (r < 0)
		return r;
	*ret_crash = crash;
	crash_init(&crash);
	return 0;
}
