// SPDX-License-Identifier: MIT
/*
 * Which sections of the configuration count for a crash.
 *
 * What is not known is not taken for "no": an engine that does not answer must not be a way around
 * a section that says that a core may not leave.  And what a container is called counts only where
 * nobody but root could have made it up.
 */
#include "rules.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "config-rule.h"

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

static bool has(const char *text)
{
	return text && *text;
}

/* "NAME", or "RUNTIME:NAME" if the pattern holds a ':': as exclude_container has it. */
static bool matches_name(const char *pattern, const char *runtime, const char *name)
{
	char both[32 + CONTAINER_FACT_MAX];

	if (!has(name))
		return false;
	if (!strchr(pattern, ':'))
		return fnmatch(pattern, name, 0) == 0;
	int len = snprintf(both, sizeof(both), "%s:%s", runtime, name);
	return len < (int)sizeof(both) && fnmatch(pattern, both, 0) == 0;
}

/* Whether a pattern with a runtime in front could be about this one at all. */
static bool could_be_runtime(const char *pattern, const char *runtime)
{
	size_t len = strcspn(pattern, ":*?[\\");

	/* A '*' may stand for what is in front of the colon, and for the colon. */
	return pattern[len] != ':' ||
	       (strlen(runtime) == len && memcmp(pattern, runtime, len) == 0);
}

static enum match match_container(const char *pattern, const struct crash *c)
{
	if (matches_name(pattern, c->container_runtime, c->container_name) ||
	    matches_name(pattern, c->container_runtime, c->container_id))
		return MATCH_YES;
	return has(c->container_name) || !could_be_runtime(pattern, c->container_runtime)
		       ? MATCH_NO
		       : MATCH_UNKNOWN;
}

/* Only engines know of images: LXC and nspawn have none. */
static enum match match_image(const char *pattern, const struct crash *c)
{
	if (has(c->container_image))
		return fnmatch(pattern, c->container_image, 0) == 0 ? MATCH_YES : MATCH_NO;
	return has(c->container_id) ? MATCH_UNKNOWN : MATCH_NO;
}

/* Only Docker and podman tell labels. */
static bool has_engine_with_labels(const struct crash *c)
{
	return has(c->container_id) && strcmp(c->container_runtime, "containerd") != 0 &&
	       strcmp(c->container_runtime, "crio") != 0;
}

static enum match match_label(const struct config_rule *rule, const struct crash *c)
{
	const char *value = container_labels_get(&c->container_labels, rule->label);

	if (value)
		return fnmatch(rule->pattern, value, 0) == 0 ? MATCH_YES : MATCH_NO;
	if (c->container_labels.left_out > 0)
		return MATCH_UNKNOWN;
	return has_engine_with_labels(c) && (c->container_lookup || !has(c->container_image))
		       ? MATCH_UNKNOWN
		       : MATCH_NO;
}

static enum match match_rule(const struct config_rule *rule, const struct crash *c)
{
	enum match match = MATCH_NO;

	if (!has(c->container_runtime))
		return MATCH_NO;
	switch (rule->kind) {
	case CONFIG_RULE_CONTAINER:
		match = match_container(rule->pattern, c);
		break;
	case CONFIG_RULE_IMAGE:
		match = match_image(rule->pattern, c);
		break;
	case CONFIG_RULE_LABEL:
		match = match_label(rule, c);
		break;
	}
	return match == MATCH_YES && c->container_owner != 0 ? MATCH_UNKNOWN : match;
}

static void describe(const struct config_rule *rule, const struct crash *c, bool doubt,
		     char text[RULES_REASON_SIZE])
{
	const char *why = !doubt		    ? ""
			  : c->container_owner != 0 ? ": a user of the host could have made up the "
						      "container"
						    : ": what the container is called is not known";

	snprintf(text, RULES_REASON_SIZE, "[%s %.128s%s%.128s]%s",
		 config_rule_kind_name(rule->kind), rule->label ? rule->label : "",
		 rule->label ? "=" : "", rule->pattern, why);
}

/*
 * What counts for this crash: the settings of the configuration, and over them those of each
 * section that matches, in their order.  *ret_effective shares its strings with config, and is not
 * to be released.
 */
void rules_apply(const struct config *config, const struct crash *crash,
		 struct config *ret_effective, struct rules_verdict *ret_verdict)
{
	const uint64_t off = config_key_bit("off");
	const uint64_t push = config_key_bit("push") | config_key_bit("url") |
			      config_key_bit("fallback_core") |
			      config_key_bit("trust_container_url");
	struct rules_verdict v = { .off = "" };
	uint64_t doubt = 0; /* keys of which the value is not known */

	*ret_effective = *config;
	for (size_t i = 0; config->rules[i]; i++) {
		const struct config_rule *rule = config->rules[i];
		enum match match = match_rule(rule, crash);
		uint64_t keys = rule->keys & (off | push);

		if (match == MATCH_YES) {
			config_apply_rule(ret_effective, rule);
			doubt &= ~keys;
			if (keys & off)
				describe(rule, crash, false, v.off);
		} else if (match == MATCH_UNKNOWN) {
			/* One that would allow what is not allowed otherwise allows nothing. */
			keys &= rule->values->off ? ~0ULL : ~off;
			if (keys && !doubt)
				describe(rule, crash, true, v.doubt);
			doubt |= keys;
		}
	}
	v.is_off_in_doubt = (doubt & off) != 0;
	v.is_push_in_doubt = (doubt & push) != 0;
	if (!doubt)
		v.doubt[0] = '\0';
	*ret_verdict = v;
}

/* Whether any section has it: then the records of all crashes are to be looked at. */
bool rules_have_max_per_container(const struct config *config)
{
	const uint64_t key = config_key_bit("max_per_container");

	for (size_t i = 0; config->rules[i]; i++)
		if (config->rules[i]->keys & key)
			return true;
	return false;
}

/* max_per_container, as the configuration has it for this crash's container. */
uint32_t rules_max_per_container(const void *config, const struct crash *crash)
{
	struct rules_verdict verdict;
	struct config effective;

	rules_apply(config, crash, &effective, &verdict);
	return effective.max_per_container;
}
