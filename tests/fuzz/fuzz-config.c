// SPDX-License-Identifier: MIT
/*
 * common/config.c: the text of a configuration file; a container's is the attacker's.
 *
 * Whatever it holds, the configuration stays one that can be worked with: absolute paths, known
 * words, times that can be added up, a list of patterns that ends.  Where a line is refused, the
 * error is a printable line.
 */
#include "config.h"

#include "fuzz.h"

static void check_patterns(char *const *patterns)
{
	size_t count = 0;

	for (; patterns[count]; count++)
		assert(*patterns[count] && !strpbrk(patterns[count], " \t\n"));
	assert(count <= CONFIG_PATTERN_MAX);
}

static void check_share(const struct config_share *share)
{
	assert(share->percent <= 100 && (share->percent == 0 || share->bytes == 0));
	for (uint64_t fs = UINT64_MAX; fs > 0; fs /= 10) {
		uint64_t bytes = config_share_bytes(share, fs);

		assert(share->percent == 0 ? bytes == share->bytes : bytes > 0 && bytes <= fs);
	}
}

static void check_rate(const struct config_rate *rate)
{
	assert((rate->count == 0) == (rate->window_ms == 0));
	assert(rate->window_ms <= INT64_MAX / 2000);
}

static void check_rules(const struct config *config)
{
	size_t count = 0;

	for (; config->rules[count]; count++) {
		const struct config_rule *rule = config->rules[count];
		struct config effective = *config;

		assert(*rule->pattern || rule->kind == CONFIG_RULE_LABEL);
		assert((rule->kind == CONFIG_RULE_LABEL) == (rule->label != NULL));
		assert(!rule->label || *rule->label);
		config_apply_rule(&effective, rule);
		assert(effective.store == config->store && effective.agent == config->agent);
		assert(effective.hold_max_ms <= INT64_MAX / 2000 &&
		       effective.push_timeout_ms <= INT64_MAX / 2000);
	}
	assert(count <= CONFIG_RULES_MAX);
}

static void check_config(const struct config *config)
{
	check_rules(config);
	assert(config->store && config->store[0] == '/');
	assert(config->agent && config->agent[0] == '/');
	assert(config->hold == CONFIG_HOLD_INIT || config->hold == CONFIG_HOLD_ALWAYS ||
	       config->hold == CONFIG_HOLD_NEVER);
	check_patterns(config->pull_match);
	check_patterns(config->exclude_exe);
	check_patterns(config->exclude_container);
	check_share(&config->max_use);
	check_share(&config->keep_free);
	check_rate(&config->rate_per_container);
	check_rate(&config->rate_per_signature);
	assert(config->slots <= CONFIG_SLOTS_MAX);
	/* They are added to times in µs. */
	assert(config->hold_max_ms <= INT64_MAX / 2000 &&
	       config->push_timeout_ms <= INT64_MAX / 2000 &&
	       config->pull_window_ms <= INT64_MAX / 2000);
	assert(!config->url || !strchr(config->url, '\n'));
	assert(!config->listen || !strchr(config->listen, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_config struct config config = { 0 };
	cleanup_free char *text = fuzz_string(data, size);
	char error[CONFIG_ERROR_SIZE] = "untouched";

	assert(config_init(&config) == 0);
	check_config(&config);
	int r = config_parse(&config, "coreferry.conf", text, error);
	check_config(&config);
	assert(fuzz_is_printable(error, sizeof(error)));
	assert((r < 0) == (strncmp(error, "coreferry.conf:", 15) == 0));
	return 0;
}
