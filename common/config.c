// SPDX-License-Identifier: MIT
/*
 * The configuration: "key = value" lines, and sections of them.
 *
 * The host's file decides what root does, so one that others can write is refused.  Errors name the
 * file, the line and the way out, and stand in a buffer of the caller: this module does not log.
 *
 * The parser is our own because the host's file is read by root in the victim's time from a static
 * program: libconfuse reads "//" in a URL as a comment and expands the environment, inih cuts
 * lines.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config-rule.h"
#include "config-values.h"
#include "fd.h"
#include "text.h"

#define SPOOL_MAX_DEFAULT	  (4ULL << 30)
#define MAX_BLOCK_MS_DEFAULT	  60000
#define HOLD_MAX_MS_DEFAULT	  30000
#define PUSH_TIMEOUT_MS_DEFAULT	  600000
#define RETRY_FOR_MS_DEFAULT	  600000
#define PULL_WINDOW_MS_DEFAULT	  3000
#define RECEIVE_EXPIRE_MS_DEFAULT (24ULL * 3600 * 1000)
#define LOOKUP_TIMEOUT_MS_DEFAULT 500
#define MAX_USE_PERCENT_DEFAULT	  20
#define KEEP_FREE_PERCENT_DEFAULT 5
#define MAX_RECORDS_DEFAULT	  10000
#define DIGEST_MAX_DEFAULT	  (16ULL << 30)

/* Fills in the defaults. 0 or -ENOMEM. */
int config_init(struct config *config)
{
	*config = (struct config){
		.store = strdup(PATH_STORE),
		.agent = strdup(PATH_AGENT),
		.names = strdup(PATH_NAMES),
		.docker_socket = strdup(PATH_DOCKER_SOCKET),
		.podman_socket = strdup(PATH_PODMAN_SOCKET),
		.container_lookup_timeout_ms = LOOKUP_TIMEOUT_MS_DEFAULT,
		.push = true,
		.spool_max = SPOOL_MAX_DEFAULT,
		.max_block_ms = MAX_BLOCK_MS_DEFAULT,
		.hold = CONFIG_HOLD_INIT,
		.hold_max_ms = HOLD_MAX_MS_DEFAULT,
		.push_timeout_ms = PUSH_TIMEOUT_MS_DEFAULT,
		.retry_for_ms = RETRY_FOR_MS_DEFAULT,
		.trust_container_url = true,
		.pull_match = { strdup("osmo-*"), strdup("open5gs-*") },
		.pull_window_ms = PULL_WINDOW_MS_DEFAULT,
		.receive_expire_ms = RECEIVE_EXPIRE_MS_DEFAULT,
		.max_use = { .percent = MAX_USE_PERCENT_DEFAULT },
		.keep_free = { .percent = KEEP_FREE_PERCENT_DEFAULT },
		.max_records = MAX_RECORDS_DEFAULT,
		.digest_max = DIGEST_MAX_DEFAULT,
	};
	if (!config->store || !config->agent || !config->names || !config->docker_socket ||
	    !config->podman_socket || !config->pull_match[0] || !config->pull_match[1]) {
		config_release(config);
		return -ENOMEM;
	}
	return 0;
}

/* Frees what it owns. */
void config_release(struct config *config)
{
	free(config->store);
	free(config->agent);
	free(config->names);
	free(config->docker_socket);
	free(config->podman_socket);
	free(config->url);
	free(config->listen);
	free(config->receive);
	free(config->receive_exec);
	free(config->tokens_file);
	free(config->tls_certificate);
	free(config->tls_key);
	config_patterns_release(config->pull_match);
	config_patterns_release(config->exclude_exe);
	config_patterns_release(config->exclude_container);
	for (size_t i = 0; config->rules[i]; i++)
		config_rule_free(config->rules[i]);
	*config = (struct config){ 0 };
}

/* Of the struct: where a value stands, and how much of it there is. */
#define FIELD(field) offsetof(struct config, field), sizeof(((struct config *)NULL)->field)

static const struct config_key {
	const char *name;
	int (*set)(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
	size_t offset, size;
	bool in_rules; /* may stand in a section */
} config_keys[] = {
	{ "store", config_set_path, FIELD(store), false },
	{ "agent", config_set_path, FIELD(agent), false },
	{ "names", config_set_path, FIELD(names), false },
	{ "docker_socket", config_set_path, FIELD(docker_socket), false },
	{ "podman_socket", config_set_path, FIELD(podman_socket), false },
	{ "container_lookup_timeout", config_set_duration, FIELD(container_lookup_timeout_ms),
	  false },
	{ "off", config_set_bool, FIELD(off), true },
	{ "push", config_set_bool, FIELD(push), true },
	{ "url", config_set_url, FIELD(url), true },
	{ "fallback_core", config_set_bool, FIELD(fallback_core), true },
	{ "spool_max", config_set_size, FIELD(spool_max), false },
	{ "max_block", config_set_duration, FIELD(max_block_ms), false },
	{ "hold", config_set_hold, FIELD(hold), true },
	{ "hold_max", config_set_duration, FIELD(hold_max_ms), true },
	{ "push_timeout", config_set_duration, FIELD(push_timeout_ms), true },
	{ "retry_for", config_set_duration, FIELD(retry_for_ms), true },
	{ "encoding", config_set_encoding, FIELD(encoding), true },
	{ "trust_container_url", config_set_bool, FIELD(trust_container_url), true },
	{ "listen", config_set_string, FIELD(listen), false },
	{ "pull_match", config_set_patterns, FIELD(pull_match), false },
	{ "pull_window", config_set_duration, FIELD(pull_window_ms), false },
	{ "scope", config_set_scope, FIELD(scope_any), false },
	{ "receive", config_set_path, FIELD(receive), false },
	{ "receive_exec", config_set_path, FIELD(receive_exec), false },
	{ "tls_certificate", config_set_path, FIELD(tls_certificate), false },
	{ "tls_key", config_set_path, FIELD(tls_key), false },
	{ "tokens_file", config_set_path, FIELD(tokens_file), false },
	{ "receive_max_use", config_set_share, FIELD(receive_max_use), false },
	{ "receive_max_use_each", config_set_share, FIELD(receive_max_use_each), false },
	{ "receive_max_cores", config_set_count, FIELD(receive_max_cores), false },
	{ "receive_max_cores_each", config_set_count, FIELD(receive_max_cores_each), false },
	{ "receive_expire", config_set_duration, FIELD(receive_expire_ms), false },
	{ "max_use", config_set_share, FIELD(max_use), false },
	{ "keep_free", config_set_share, FIELD(keep_free), false },
	{ "max_records", config_set_count, FIELD(max_records), false },
	{ "max_age", config_set_duration, FIELD(max_age_ms), false },
	{ "max_core", config_set_size, FIELD(max_core), true },
	{ "max_per_container", config_set_count, FIELD(max_per_container), true },
	{ "max_per_signature", config_set_count, FIELD(max_per_signature), false },
	{ "rate_per_container", config_set_rate, FIELD(rate_per_container), true },
	{ "rate_per_signature", config_set_rate, FIELD(rate_per_signature), true },
	{ "exclude_exe", config_set_patterns, FIELD(exclude_exe), false },
	{ "exclude_container", config_set_patterns, FIELD(exclude_container), false },
	{ "honour_rlimit", config_set_bool, FIELD(honour_rlimit), true },
	{ "slots", config_set_slots, FIELD(slots), false },
	{ "digest_max", config_set_size, FIELD(digest_max), false },
};

#define KEY_COUNT (sizeof(config_keys) / sizeof(*config_keys))

static size_t find_key(const char *key)
{
	size_t i = 0;

	while (i < KEY_COUNT && strcmp(key, config_keys[i].name) != 0)
		i++;
	return i;
}

/* The bit that stands for a key in config_rule.keys; 0: there is no such key. */
uint64_t config_key_bit(const char *key)
{
	size_t i = find_key(key);

	return i < KEY_COUNT ? 1ULL << i : 0;
}

/*
 * Puts what stands in the section over the settings.  They share its strings afterwards: config is
 * then no longer to be released, and may be used as long as the rule is there.
 */
void config_apply_rule(struct config *config, const struct config_rule *rule)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		const struct config_key *key = &config_keys[i];

		if (rule->keys & 1ULL << i)
			memcpy((char *)config + key->offset,
			       (const char *)rule->values + key->offset, key->size);
	}
}

struct parse {
	struct config *config;
	struct config_rule *rule; /* the section that we are in, or NULL */
	bool is_lost;		  /* in a section whose header was bad: its keys are nobody's */
};

static int start_rule(struct parse *p, const char *header, char error[CONFIG_ERROR_SIZE])
{
	size_t count = 0;

	while (p->config->rules[count])
		count++;
	p->rule = NULL;
	p->is_lost = true;
	if (count == CONFIG_RULES_MAX) {
		snprintf(error, CONFIG_ERROR_SIZE, "there may be at most %d sections",
			 CONFIG_RULES_MAX);
		return -E2BIG;
	}
	int r = config_rule_new(header, &p->rule, error);
	if (r < 0)
		return r;
	p->config->rules[count] = p->rule;
	p->is_lost = false;
	return 0;
}

static int set_key(void *context, const char *key, const char *value, char error[CONFIG_ERROR_SIZE])
{
	struct parse *p = context;

	if (!value)
		return start_rule(p, key, error);
	size_t i = find_key(key);
	if (i == KEY_COUNT) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "unknown key; coreferry.conf(5) lists the known ones");
		return -ENOKEY;
	}
	if (p->is_lost)
		return 0;
	if (p->rule && !config_keys[i].in_rules) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "counts for the whole host: put it before the first section");
		return -EINVAL;
	}
	struct config *to = p->rule ? p->rule->values : p->config;
	int r = config_keys[i].set((char *)to + config_keys[i].offset, value, error);
	if (r == 0 && p->rule)
		p->rule->keys |= 1ULL << i;
	return r;
}

static char *trim(char *s)
{
	s += strspn(s, " \t\r");
	for (size_t n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

/*
 * Calls fn for every "key = value" and every "[header]" of text (which is cut up on the way), all
 * of them, whatever fails. The first failure is returned, with "NAME:LINE: KEY: WHY" in error;
 * -EINVAL for a line without '='.
 */
int config_lines(const char *name, char *text, config_line_fn fn, void *context,
		 char error[CONFIG_ERROR_SIZE])
{
	unsigned number = 0;
	int first = 0;

	for (char *line = text, *next; line; line = next) {
		char why[CONFIG_ERROR_SIZE] = "out of memory";

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		line = trim(line);
		if (*line == '\0' || *line == '#')
			continue;

		char *equals = strchr(line, '=');
		int r = -EINVAL;
		if (*line == '[') {
			r = fn(context, line, NULL, why);
		} else if (equals) {
			*equals = '\0';
			line = trim(line);
			r = fn(context, line, trim(equals + 1), why);
		} else {
			snprintf(why, sizeof(why), "wants \"key = value\"");
		}
		if (r < 0 && first == 0) {
			cleanup_free char *key = text_escape(line, strnlen(line, 64));

			snprintf(error, CONFIG_ERROR_SIZE, "%s:%u: %s: %.200s", name, number,
				 key ? key : "?", why);
			first = r;
		}
	}
	return first;
}

/*
 * Reads settings over those that are in config.  0, or the first failure, which error then tells;
 * the lines that could be understood are in force all the same.
 */
int config_parse(struct config *config, const char *name, char *text, char error[CONFIG_ERROR_SIZE])
{
	struct parse parse = { .config = config };

	return config_lines(name, text, set_key, &parse, error);
}

/*
 * The bytes that a share of a file system of fs_bytes is, 0: no limit.  A share is never rounded
 * down to "no limit"; of a file system that does not tell its size, a percentage is none.
 */
uint64_t config_share_bytes(const struct config_share *share, uint64_t fs_bytes)
{
	if (share->percent == 0 || fs_bytes == 0)
		return share->percent == 0 ? share->bytes : 0;
	uint64_t bytes = fs_bytes / 100 * share->percent + fs_bytes % 100 * share->percent / 100;

	return bytes > 0 ? bytes : 1;
}

static int check_owner(int fd, const char *path, char error[CONFIG_ERROR_SIZE])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s: refused: not a regular file", path);
		return -EPERM;
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) != 0) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "%s: refused: others can write it (owner %u, mode %04o); "
			 "chown root and chmod go-w it",
			 path, st.st_uid, st.st_mode & 07777);
		return -EPERM;
	}
	return 0;
}

/*
 * Reads the host's configuration file over the defaults that are in config.  Missing is fine unless
 * must_exist.  -EPERM: others can write it, and nothing of it was used; else as config_parse().
 */
int config_load(struct config *config, const char *path, bool must_exist,
		char error[CONFIG_ERROR_SIZE])
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	size_t len = 0;

	if (fd < 0 && errno == ENOENT && !must_exist)
		return 0;
	int r = fd < 0 ? -errno : check_owner(fd, path, error);
	if (r == -EPERM && fd >= 0)
		return r;
	if (r == 0)
		r = fd_read_some(fd, CONFIG_FILE_MAX + 1, &text, &len);
	if (r == 0 && (len > CONFIG_FILE_MAX || strlen(text) != len))
		r = -EFBIG;
	if (r < 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s: cannot be read: %s", path,
			 r == -EFBIG ? "longer than 64 KiB, or not a text" : strerror(-r));
		return r;
	}
	return config_parse(config, path, text, error);
}
