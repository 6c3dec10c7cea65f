// SPDX-License-Identifier: MIT
/*
 * A section of coreferry.conf: "[container PATTERN]", "[image PATTERN]" or "[label KEY=PATTERN]".
 * Pure.  The text is the operator's; the file's parser (config.c) gives it line by line.
 */
#include "config-rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

static const char *const kinds[] = {
	[CONFIG_RULE_CONTAINER] = "container",
	[CONFIG_RULE_IMAGE] = "image",
	[CONFIG_RULE_LABEL] = "label",
};

/* The word that stands in the file. */
const char *config_rule_kind_name(enum config_rule_kind kind)
{
	return kinds[kind];
}

static int find_kind(const char *word, size_t len)
{
	for (int i = 0; i < 3; i++)
		if (strlen(kinds[i]) == len && memcmp(kinds[i], word, len) == 0)
			return i;
	return -1;
}

/* What a label is matched against: the rest behind its key, or anything. */
static int split_label(struct config_rule *rule)
{
	char *equals = strchr(rule->pattern, '=');

	if (!equals) {
		rule->label = rule->pattern;
		rule->pattern = strdup("*");
		return rule->pattern ? 0 : -ENOMEM;
	}
	rule->label = strndup(rule->pattern, (size_t)(equals - rule->pattern));
	memmove(rule->pattern, equals + 1, strlen(equals));
	return rule->label ? 0 : -ENOMEM;
}

/*
 * Makes a rule of a section's header, which still has its brackets.  0 (free it with
 * config_rule_free()); -EINVAL: it is none, and error tells what is wanted; -ENOMEM.
 */
int config_rule_new(const char *header, struct config_rule **ret_rule,
		    char error[CONFIG_ERROR_SIZE])
{
	const char *word = header + 1 + strspn(header + 1, " \t");
	const char *pattern = word + strcspn(word, " \t]");
	int kind = find_kind(word, (size_t)(pattern - word));
	size_t len;

	pattern += strspn(pattern, " \t");
	len = strlen(pattern);
	/* A pattern may hold brackets, and spaces: the last one ends the header. */
	if (kind >= 0 && len > 1 && pattern[len - 1] == ']') {
		for (len--; len > 0 && strchr(" \t", pattern[len - 1]); len--)
			;
	} else {
		len = 0;
	}
	if (len == 0 || (kind == CONFIG_RULE_LABEL && pattern[0] == '=')) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "wants [container PATTERN], [image PATTERN] or [label KEY=PATTERN]");
		return -EINVAL;
	}
	struct config_rule *rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	rule->kind = (enum config_rule_kind)kind;
	rule->pattern = strndup(pattern, len);
	rule->values = calloc(1, sizeof(*rule->values));
	if (!rule->pattern || !rule->values ||
	    (kind == CONFIG_RULE_LABEL && split_label(rule) < 0)) {
		config_rule_free(rule);
		return -ENOMEM;
	}
	*ret_rule = rule;
	return 0;
}

/* Frees it. */
void config_rule_free(struct config_rule *rule)
{
	if (!rule)
		return;
	if (rule->values)
		config_release(rule->values);
	free(rule->values);
	free(rule->pattern);
	free(rule->label);
	free(rule);
}
