// SPDX-License-Identifier: MIT
/*
 * Which S3 endpoint, and who we are to it.
 *
 * The variables are those of AWS's own tools, from the victim's environment; agent.conf and a
 * credentials file that either of them names are read with the victim's rights.
 */
#include "s3-settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "text.h"

#define CREDENTIALS_FILE_MAX (64U << 10)
#define SECRET_MAX	     4096U /* bytes of a key or token; session tokens have 1 or 2 KB */
#define REGION_DEFAULT	     "us-east-1"

/* What was set, or NULL: an empty text is none. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static int copy_text(char **to, const char *text)
{
	char *copy = text && *text ? strdup(text) : NULL;

	if (text && *text && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

/* Frees what they own, and empties them. */
void s3_credentials_release(struct s3_credentials *credentials)
{
	free(credentials->access_key);
	free(credentials->secret_key);
	free(credentials->session_token);
	*credentials = (struct s3_credentials){ NULL, NULL, NULL };
}

/* Frees what they own, and empties them. */
void s3_settings_release(struct s3_settings *s3)
{
	free(s3->endpoint);
	free(s3->region);
	s3_credentials_release(&s3->credentials);
	*s3 = (struct s3_settings){ 0 };
}

/* The text between spaces, in place. */
static char *trim(char *text)
{
	text += strspn(text, " \t\r");
	size_t len = strlen(text);

	while (len > 0 && strchr(" \t\r", text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static bool is_section(char *line, const char *name)
{
	size_t len = strlen(line);

	if (line[len - 1] != ']')
		return false;
	line[len - 1] = '\0';
	return strcmp(trim(line + 1), name) == 0;
}

static int take_key(char *line, struct s3_credentials *credentials)
{
	char *value = strchr(line, '=');

	if (!value)
		return 0;
	*value++ = '\0';
	const char *key = trim(line);
	value = trim(value);
	if (strcmp(key, "aws_access_key_id") == 0)
		return copy_text(&credentials->access_key, value);
	if (strcmp(key, "aws_secret_access_key") == 0)
		return copy_text(&credentials->secret_key, value);
	if (strcmp(key, "aws_session_token") == 0)
		return copy_text(&credentials->session_token, value);
	return 0;
}

/*
 * Finds a profile's keys in the text of a shared credentials file, as AWS's tools have it: [NAME],
 * and "key = value" below.  0 (then they are the caller's), -ENOENT: no such profile, or without
 * both keys, -ENOMEM.
 */
int s3_credentials_parse(const char *text, const char *profile,
			 struct s3_credentials *ret_credentials)
{
	cleanup_s3_credentials struct s3_credentials found = { NULL, NULL, NULL };
	cleanup_free char *copy = strdup(text);
	char *rest = copy, *line;
	bool is_inside = false;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (line = strsep(&rest, "\n"))) {
		line = trim(line);
		if (*line == '\0' || *line == '#' || *line == ';')
			continue;
		if (*line == '[')
			is_inside = is_section(line, profile);
		else if (is_inside)
			r = take_key(line, &found);
	}
	if (r == 0 && (!found.access_key || !found.secret_key))
		r = -ENOENT;
	if (r < 0)
		return r;
	*ret_credentials = found;
	found = (struct s3_credentials){ NULL, NULL, NULL };
	return 0;
}

static int read_credentials_file(const char *path, const char *profile,
				 struct s3_credentials *credentials, char error[S3_ERROR_SIZE])
{
	cleanup_free char *text = NULL;
	cleanup_free char *name = text_escape(path, strnlen(path, 100));
	cleanup_free char *shown_profile = text_escape(profile, strnlen(profile, 64));
	size_t len;
	int r = name && shown_profile ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	r = file_read_at(AT_FDCWD, path, CREDENTIALS_FILE_MAX, &text, &len);
	if (r < 0)
		snprintf(error, S3_ERROR_SIZE, "%s: cannot be read: %s", name,
			 r == -EINVAL ? "it is not a regular file" : strerror(-r));
	else if ((r = s3_credentials_parse(text, profile, credentials)) < 0)
		snprintf(error, S3_ERROR_SIZE,
			 "%s: no aws_access_key_id and aws_secret_access_key in [%s]", name,
			 shown_profile);
	if (text)
		explicit_bzero(text, len);
	return r;
}

static int set_credentials(struct s3_credentials *c, const char *access_key, const char *secret_key,
			   const char *token)
{
	int r = copy_text(&c->access_key, access_key);

	if (r == 0)
		r = copy_text(&c->secret_key, secret_key);
	return r == 0 ? copy_text(&c->session_token, token) : r;
}

/* The environment's keys, agent.conf's, a file's: the first of which there are both. */
static int find_credentials(const struct settings *settings, struct s3_credentials *c,
			    char error[S3_ERROR_SIZE])
{
	const char *key = variable("AWS_ACCESS_KEY_ID");
	const char *secret = variable("AWS_SECRET_ACCESS_KEY");
	const char *file = first_of(variable("AWS_SHARED_CREDENTIALS_FILE"),
				    settings->s3_credentials_file, NULL);
	const char *profile = first_of(variable("AWS_PROFILE"), settings->s3_profile, "default");

	if (key && secret)
		return set_credentials(c, key, secret, variable("AWS_SESSION_TOKEN"));
	if (settings->s3_access_key && settings->s3_secret_key)
		return set_credentials(c, settings->s3_access_key, settings->s3_secret_key,
				       settings->s3_session_token);
	if (file)
		return read_credentials_file(file, profile, c, error);
	snprintf(error, S3_ERROR_SIZE,
		 "S3: no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
		 "program's environment, or s3_access_key and s3_secret_key, or "
		 "s3_credentials_file, in the container's agent.conf");
	return -ENOENT;
}

/* They become a header: nothing that ends one. */
static bool is_secret_fit(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return len <= SECRET_MAX;
}

static int check(const struct s3_settings *s3, char error[S3_ERROR_SIZE])
{
	const struct s3_credentials *c = &s3->credentials;
	cleanup_free char *endpoint = text_escape(s3->endpoint, strnlen(s3->endpoint, 60));
	cleanup_free char *region = text_escape(s3->region, strnlen(s3->region, 60));

	if (!endpoint || !region)
		return -ENOMEM;
	if (!s3_endpoint_is_valid(s3->endpoint))
		snprintf(error, S3_ERROR_SIZE,
			 "S3: not an endpoint: '%s': it must be http:// or https:// and a host",
			 endpoint);
	else if (!s3_region_is_valid(s3->region))
		snprintf(error, S3_ERROR_SIZE, "S3: not a region: '%s'", region);
	else if (!c->access_key || !is_secret_fit(c->access_key) || strchr(c->access_key, '/') ||
		 !is_secret_fit(c->secret_key) || !is_secret_fit(c->session_token))
		snprintf(error, S3_ERROR_SIZE,
			 "S3: a key or token has characters that none can have");
	else
		return 0;
	return -EINVAL;
}

/* Where the host decides alone where cores go, the container does not say which S3 that is. */
static int find_endpoint(const struct settings *settings, const char *bucket,
			 struct s3_settings *s3)
{
	const char *endpoint = NULL, *addressing = settings->s3_addressing;
	const char *region = first_of(variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"),
				      settings->s3_region);

	if (settings->container_is_trusted)
		endpoint = first_of(variable("AWS_ENDPOINT_URL_S3"), variable("AWS_ENDPOINT_URL"),
				    settings->s3_endpoint);
	int r = copy_text(&s3->region, region ? region : REGION_DEFAULT);
	if (r == 0 && endpoint)
		r = copy_text(&s3->endpoint, endpoint);
	else if (r == 0 &&
		 asprintf(&s3->endpoint, "https://s3.%.100s.amazonaws.com", s3->region) < 0)
		r = -ENOMEM;
	/* AWS's certificate has one level below: not for a bucket with a dot in its name. */
	if (addressing)
		s3->is_virtual = strcmp(addressing, "virtual") == 0;
	else
		s3->is_virtual = !endpoint && !strchr(bucket, '.');
	return r;
}

/* All of it; 0, and *ret_s3 is the caller's, or -errno, and error says what is missing or wrong. */
int s3_settings_load(const struct settings *settings, const char *bucket,
		     struct s3_settings *ret_s3, char error[S3_ERROR_SIZE])
{
	cleanup_s3_settings struct s3_settings s3 = { 0 };

	snprintf(error, S3_ERROR_SIZE, "out of memory");
	int r = find_endpoint(settings, bucket, &s3);
	if (r == 0)
		r = find_credentials(settings, &s3.credentials, error);
	if (r == 0)
		r = check(&s3, error);
	if (r < 0)
		return r;
	*ret_s3 = s3;
	s3 = (struct s3_settings){ 0 };
	return 0;
}
