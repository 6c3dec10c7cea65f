// SPDX-License-Identifier: MIT
/*
 * The configuration: "key = value" lines.
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

#include "fd.h"
#include "parse.h"
#include "text.h"

#define DURATION_MS_MAX		(365ULL * 24 * 3600 * 1000) /* in µs it fits all sums */
#define SPOOL_MAX_DEFAULT	(4ULL << 30)
#define MAX_BLOCK_MS_DEFAULT	60000
#define HOLD_MAX_MS_DEFAULT	30000
#define PUSH_TIMEOUT_MS_DEFAULT 600000
#define PULL_WINDOW_MS_DEFAULT	3000

/* Fills in the defaults. 0 or -ENOMEM. */
int config_init(struct config *config)
{
	*config = (struct config){
		.store = strdup(PATH_STORE),
		.agent = strdup(PATH_AGENT),
		.push = true,
		.spool_max = SPOOL_MAX_DEFAULT,
		.max_block_ms = MAX_BLOCK_MS_DEFAULT,
		.hold = CONFIG_HOLD_INIT,
		.hold_max_ms = HOLD_MAX_MS_DEFAULT,
		.push_timeout_ms = PUSH_TIMEOUT_MS_DEFAULT,
		.pull_match = { strdup("osmo-*"), strdup("open5gs-*") },
		.pull_window_ms = PULL_WINDOW_MS_DEFAULT,
	};
	if (!config->store || !config->agent || !config->pull_match[0] || !config->pull_match[1]) {
		config_release(config);
		return -ENOMEM;
	}
	return 0;
}

static void release_patterns(char **patterns)
{
	for (; *patterns; patterns++) {
		free(*patterns);
		*patterns = NULL;
	}
}

/* Frees what it owns. */
void config_release(struct config *config)
{
	free(config->store);
	free(config->agent);
	free(config->url);
	free(config->listen);
	release_patterns(config->pull_match);
	*config = (struct config){ 0 };
}

/* --- one setter per kind of value; each leaves the field as it was when it fails --- */

static int set_string(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	char **string = field;
	char *copy = strdup(value);

	(void)error;
	if (!copy)
		return -ENOMEM;
	free(*string);
	*string = copy;
	return 0;
}

static int set_path(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (value[0] != '/') {
		snprintf(error, CONFIG_ERROR_SIZE, "wants an absolute path");
		return -EINVAL;
	}
	return set_string(field, value, error);
}

static int set_bool(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (parse_bool(value, field) == 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants yes or no");
	return -EINVAL;
}

static int set_duration(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	uint64_t ms;

	if (parse_duration_ms(value, &ms) < 0 || ms > DURATION_MS_MAX) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "wants a time such as 500ms, 30s, 10min or 2h, of at most 8760h");
		return -EINVAL;
	}
	*(uint64_t *)field = ms;
	return 0;
}

static int set_size(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (parse_size(value, field) == 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants a size such as 512, 64K, 100M or 4G");
	return -EINVAL;
}

static int set_hold(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	static const char *const words[] = { "init", "always", "never" };

	for (int i = 0; i < 3; i++)
		if (strcmp(value, words[i]) == 0) {
			*(enum config_hold *)field = (enum config_hold)i;
			return 0;
		}
	snprintf(error, CONFIG_ERROR_SIZE, "wants init, always or never");
	return -EINVAL;
}

static int set_patterns(void *field, const char *value, char error[CONFIG_ERROR_SIZE])
{
	cleanup_free char *copy = strdup(value);
	char *patterns[CONFIG_PATTERN_MAX + 1] = { NULL }, *save = NULL;
	size_t count = 0;
	int r = copy ? 0 : -ENOMEM;

	for (char *p = copy ? strtok_r(copy, " \t", &save) : NULL; p && r == 0;
	     p = strtok_r(NULL, " \t", &save)) {
		if (count == CONFIG_PATTERN_MAX) {
			snprintf(error, CONFIG_ERROR_SIZE, "takes at most %d patterns",
				 CONFIG_PATTERN_MAX);
			r = -EINVAL;
		} else if (!(patterns[count++] = strdup(p))) {
			r = -ENOMEM;
		}
	}
	if (r < 0) {
		release_patterns(patterns);
		return r;
	}
	release_patterns(field);
	memcpy(field, patterns, sizeof(patterns));
	return 0;
}

static const struct config_key {
	const char *name;
	int (*set)(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
	size_t offset;
} config_keys[] = {
	{ "store", set_path, offsetof(struct config, store) },
	{ "agent", set_path, offsetof(struct config, agent) },
	{ "push", set_bool, offsetof(struct config, push) },
	{ "url", set_string, offsetof(struct config, url) },
	{ "fallback_core", set_bool, offsetof(struct config, fallback_core) },
	{ "spool_max", set_size, offsetof(struct config, spool_max) },
	{ "max_block", set_duration, offsetof(struct config, max_block_ms) },
	{ "hold", set_hold, offsetof(struct config, hold) },
	{ "hold_max", set_duration, offsetof(struct config, hold_max_ms) },
	{ "push_timeout", set_duration, offsetof(struct config, push_timeout_ms) },
	{ "listen", set_string, offsetof(struct config, listen) },
	{ "pull_match", set_patterns, offsetof(struct config, pull_match) },
	{ "pull_window", set_duration, offsetof(struct config, pull_window_ms) },
};

static int set_key(void *context, const char *key, const char *value, char error[CONFIG_ERROR_SIZE])
{
	for (size_t i = 0; i < sizeof(config_keys) / sizeof(*config_keys); i++)
		if (strcmp(key, config_keys[i].name) == 0)
			return config_keys[i].set((char *)context + config_keys[i].offset, value,
						  error);
	snprintf(error, CONFIG_ERROR_SIZE, "unknown key; coreferry.conf(5) lists the known ones");
	return -ENOKEY;
}

static char *trim(char *s)
{
	s += strspn(s, " \t\r");
	for (size_t n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

/*
 * Calls fn for every "key = value" of text (which is cut up on the way), all of them, whatever
 * fails. The first failure is returned, with "NAME:LINE: KEY: WHY" in error; -EINVAL for a line
 * without '='.
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
		if (equals) {
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
	return config_lines(name, text, set_key, config, error);
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
