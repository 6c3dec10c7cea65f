// SPDX-License-Identifier: MIT
/*
 * Where the core goes.
 *
 * The environment is the victim's, agent.conf the container's: both are the attacker's.  All that
 * they can bring about is a connection that the victim could have made itself: the agent has its
 * rights already, and takes no other scheme than http and https.
 */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "fd.h"
#include "paths.h"
#include "text.h"

#define URL_MAX 8192

static int set_key(void *context, const char *key, const char *value, char error[CONFIG_ERROR_SIZE])
{
	char **url = context;

	if (!value || strcmp(key, "url") != 0) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "unknown key; coreferry-agent(8) lists the known ones");
		return -ENOKEY;
	}
	char *copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*url);
	*url = copy;
	return 0;
}

/* Reads `url` of the container's agent.conf; *ret_url stays NULL where there is no file or no url.
 */
static int read_config(const char *path, bool must_exist, char **ret_url,
		       char error[ENDPOINT_ERROR_SIZE])
{
	cleanup_free char *text = NULL;
	cleanup_free char *url = NULL;
	char why[CONFIG_ERROR_SIZE];
	size_t len;
	int r = file_read_at(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &len);

	if ((r == -ENOENT || r == -ENOTDIR) && !must_exist)
		return 0;
	if (r < 0) {
		snprintf(error, ENDPOINT_ERROR_SIZE, "%s: cannot be read: %s", path, strerror(-r));
		return r;
	}
	r = config_lines(path, text, set_key, &url, why);
	if (r < 0) {
		snprintf(error, ENDPOINT_ERROR_SIZE, "%s", why);
		return r;
	}
	*ret_url = ptr_steal(&url);
	return 0;
}

/*
 * Finds the URL to push below: the option, COREFERRY_URL, `url` of config_file (NULL: the
 * container's own, which need not be there), CORE_DEFAULT_URL (the host's configuration); the first
 * that is set counts.  *ret_url: free it.  -ENOENT: none is set; else -errno; error says why.
 */
int endpoint_find(const char *option, const char *config_file, char **ret_url,
		  char error[ENDPOINT_ERROR_SIZE])
{
	const char *text = option && *option ? option : getenv("COREFERRY_URL");
	cleanup_free char *configured = NULL;

	if (!text || !*text) {
		int r = read_config(config_file ? config_file : PATH_AGENT_CONF,
				    config_file != NULL, &configured, error);
		if (r < 0)
			return r;
		text = configured;
	}
	if (!text || !*text)
		text = getenv("CORE_DEFAULT_URL");
	if (!text || !*text) {
		snprintf(
			error, ENDPOINT_ERROR_SIZE,
			"no URL to push to: set COREFERRY_URL in the program's environment, or url "
			"in " PATH_AGENT_CONF
			" of the container, or url in the host's " PATH_CONFIG);
		return -ENOENT;
	}
	*ret_url = strdup(text);
	return *ret_url ? 0 : -ENOMEM;
}

/* http or https, and nothing that could end a request line. */
static bool is_acceptable(const char *url)
{
	size_t len = strlen(url);

	if (len > URL_MAX ||
	    (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
		return false;
	/* Without a host, our own name behind it would be taken for one. */
	const char *host = strstr(url, "://") + strlen("://");
	if (*host == '\0' || *host == '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (url[i] <= 0x20 || url[i] >= 0x7f || url[i] == '#' || url[i] == '?')
			return false;
	return true;
}

/*
 * BASE/ID SUFFIX, with one slash between (free it).  NULL, and error says why: not http or https,
 * or characters that a URL to put things below cannot have.
 */
char *endpoint_make_url(const char *base, const char *id, const char *suffix,
			char error[ENDPOINT_ERROR_SIZE])
{
	char *url = NULL;
	size_t len = strlen(base);

	if (!is_acceptable(base)) {
		cleanup_free char *escaped = text_escape(base, strnlen(base, 100));

		snprintf(error, ENDPOINT_ERROR_SIZE,
			 "not a URL to push below: '%s': it must be http:// or https:// with a "
			 "host, and have no spaces, control characters, '?' or '#'",
			 escaped ? escaped : "");
		return NULL;
	}
	while (len > 0 && base[len - 1] == '/')
		len--;
	if (asprintf(&url, "%.*s/%s%s", (int)len, base, id, suffix) < 0) {
		snprintf(error, ENDPOINT_ERROR_SIZE, "out of memory");
		return NULL;
	}
	return url;
}
