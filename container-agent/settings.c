// SPDX-License-Identifier: MIT
/*
 * What the agent is told.
 *
 * The environment is the victim's, agent.conf the container's: both are the attacker's.  All that
 * they can bring about is what the victim could have done itself: the agent has its rights already.
 * CORE_TRUST_URL=no, by which the host says that neither counts, is the helper's word.
 */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "fd.h"
#include "parse.h"
#include "paths.h"
#include "s3-resume.h"

static int set_text(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int check_any(const char *value, char error[CONFIG_ERROR_SIZE])
{
	(void)value;
	(void)error;
	return 0;
}

static int check_path(const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (value[0] == '/')
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants an absolute path");
	return -EINVAL;
}

static int check_encoding(const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (strcmp(value, "zstd") == 0 || strcmp(value, "identity") == 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants zstd or identity");
	return -EINVAL;
}

static int check_addressing(const char *value, char error[CONFIG_ERROR_SIZE])
{
	if (strcmp(value, "path") == 0 || strcmp(value, "virtual") == 0)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants path or virtual");
	return -EINVAL;
}

static int check_part_size(const char *value, char error[CONFIG_ERROR_SIZE])
{
	uint64_t bytes;

	if (parse_size(value, &bytes) == 0 && bytes >= S3_PART_BYTES && bytes <= S3_PART_BYTES_MAX)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "wants a size from 5M to 5G");
	return -EINVAL;
}

/* agent.conf's keys; each is a text of struct settings. */
static const struct settings_key {
	const char *name;
	int (*check)(const char *value, char error[CONFIG_ERROR_SIZE]);
	size_t offset;
} settings_keys[] = {
	{ "url", check_any, offsetof(struct settings, configured_url) },
	{ "encoding", check_encoding, offsetof(struct settings, encoding) },
	{ "ca_file", check_path, offsetof(struct settings, ca_file) },
	{ "client_cert", check_path, offsetof(struct settings, client_cert) },
	{ "client_key", check_path, offsetof(struct settings, client_key) },
	{ "authorization_file", check_path, offsetof(struct settings, authorization_file) },
	{ "s3_endpoint", check_any, offsetof(struct settings, s3_endpoint) },
	{ "s3_region", check_any, offsetof(struct settings, s3_region) },
	{ "s3_addressing", check_addressing, offsetof(struct settings, s3_addressing) },
	{ "s3_key", check_any, offsetof(struct settings, s3_key) },
	{ "s3_access_key", check_any, offsetof(struct settings, s3_access_key) },
	{ "s3_secret_key", check_any, offsetof(struct settings, s3_secret_key) },
	{ "s3_session_token", check_any, offsetof(struct settings, s3_session_token) },
	{ "s3_credentials_file", check_path, offsetof(struct settings, s3_credentials_file) },
	{ "s3_profile", check_any, offsetof(struct settings, s3_profile) },
	{ "s3_part_size", check_part_size, offsetof(struct settings, s3_part_size) },
};

#define KEY_COUNT (sizeof(settings_keys) / sizeof(*settings_keys))

static int set_key(void *context, const char *key, const char *value, char error[CONFIG_ERROR_SIZE])
{
	size_t i = 0;

	while (i < KEY_COUNT && strcmp(key, settings_keys[i].name) != 0)
		i++;
	if (!value || i == KEY_COUNT) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "unknown key; coreferry-agent(8) lists the known ones");
		return -ENOKEY;
	}
	int r = settings_keys[i].check(value, error);
	return r < 0 ? r : set_text((char **)((char *)context + settings_keys[i].offset), value);
}

static int read_config(struct settings *s, const char *path, bool must_exist,
		       char error[SETTINGS_ERROR_SIZE])
{
	cleanup_free char *text = NULL;
	char why[CONFIG_ERROR_SIZE];
	size_t len;
	int r = file_read_at(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len);

	if ((r == -ENOENT || r == -ENOTDIR) && !must_exist)
		return 0;
	if (r < 0) {
		snprintf(error, SETTINGS_ERROR_SIZE, "%s: cannot be read: %s", path,
			 r == -EINVAL ? "it is not a regular file" : strerror(-r));
		return r;
	}
	r = config_lines(path, text, set_key, s, why);
	if (r < 0)
		snprintf(error, SETTINGS_ERROR_SIZE, "%s", why);
	return r;
}

/* What was set, or NULL: an empty text is none. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The option, COREFERRY_URL, `url` of agent.conf, CORE_DEFAULT_URL: the first that is set. */
static const char *find_url(const struct settings *s, const char *option)
{
	const char *url = option && *option ? option : NULL;

	if (!url && s->container_is_trusted)
		url = variable("COREFERRY_URL");
	if (!url && s->configured_url && *s->configured_url)
		url = s->configured_url;
	return url ? url : variable("CORE_DEFAULT_URL");
}

/* COREFERRY_ENCODING, `encoding` of agent.conf, CORE_DEFAULT_ENCODING; else as it is stored. */
static int find_encoding(struct settings *s, char error[SETTINGS_ERROR_SIZE])
{
	const char *name = "COREFERRY_ENCODING";
	const char *encoding = s->container_is_trusted ? variable(name) : NULL;
	char why[CONFIG_ERROR_SIZE];

	if (!encoding && s->encoding)
		return 0;
	if (!encoding) {
		name = "CORE_DEFAULT_ENCODING";
		encoding = variable(name);
	}
	if (!encoding)
		encoding = "zstd";
	int r = check_encoding(encoding, why);
	if (r < 0) {
		snprintf(error, SETTINGS_ERROR_SIZE, "%s: %.100s", name, why);
		return r;
	}
	return set_text(&s->encoding, encoding);
}

static int load(struct settings *s, const char *url_option, const char *config_file,
		char error[SETTINGS_ERROR_SIZE])
{
	const char *trust = variable("CORE_TRUST_URL");
	int r = 0;

	s->container_is_trusted = !trust || strcmp(trust, "no") != 0;
	if (s->container_is_trusted || config_file)
		r = read_config(s, config_file ? config_file : PATH_AGENT_CONF, config_file != NULL,
				error);
	if (r == 0)
		r = find_encoding(s, error);
	if (r < 0)
		return r;
	const char *url = find_url(s, url_option);
	if (!url) {
		snprintf(error, SETTINGS_ERROR_SIZE, "%s",
			 s->container_is_trusted
				 ? "no URL to push to: set COREFERRY_URL in the program's "
				   "environment, or url in " PATH_AGENT_CONF
				   " of the container, or url in the host's " PATH_CONFIG
				 : "no URL to push to: set url in the host's " PATH_CONFIG
				   ", which says that no other counts");
		return -ENOENT;
	}
	return set_text(&s->url, url);
}

/*
 * Puts together what counts.  config_file NULL: the container's own, which need not be there.  On
 * success *settings is the caller's (settings_release()).  -ENOENT: there is no URL; -ENOMEM; else
 * -errno of what could not be read or is wrong: error says what.
 */
int settings_load(struct settings *settings, const char *url_option, const char *config_file,
		  char error[SETTINGS_ERROR_SIZE])
{
	cleanup_settings struct settings s = { 0 };

	snprintf(error, SETTINGS_ERROR_SIZE, "out of memory");
	int r = load(&s, url_option, config_file, error);
	if (r < 0)
		return r;
	*settings = s;
	s = (struct settings){ 0 };
	return 0;
}

/* Frees what they own. */
void settings_release(struct settings *settings)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		free(*(char **)((char *)settings + settings_keys[i].offset));
	free(settings->url);
	*settings = (struct settings){ 0 };
}
