// SPDX-License-Identifier: MIT
/*
 * What an object in S3 is called.  Pure: texts in, texts out.
 *
 * URL and template are the victim's or the container's; the values are the attacker's.  In a key
 * stand printable ASCII only, and of a value no slash and no leading dot: neither a path of its
 * own, nor "..", wherever the object is copied to afterwards.
 */
#include "s3-name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fd.h"
#include "text.h"

#define SCHEME	     "s3://"
#define BUCKET_MIN   3U
#define BUCKET_MAX   255U /* today 63; before 2018, and elsewhere, longer ones */
#define ENDPOINT_MAX 1024U
#define REGION_MAX   64U

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

struct builder {
	char text[S3_KEY_MAX + 1];
	size_t len;
	bool is_full;
};

static void add(struct builder *b, const char *text, size_t len)
{
	if (len > S3_KEY_MAX - b->len) {
		b->is_full = true;
		return;
	}
	memcpy(b->text + b->len, text, len);
	b->len += len;
	b->text[b->len] = '\0';
}

static bool is_unreserved(char c)
{
	return c != '\0' && strchr(LETTERS DIGITS "-_.~", c);
}

static void add_byte(struct builder *b, char c, bool encode)
{
	char text[4];

	if (encode) {
		snprintf(text, sizeof(text), "%%%02X", (unsigned char)c);
		add(b, text, 3);
	} else {
		add(b, &c, 1);
	}
}

/* One value; "_" where it is not known. */
static void add_value(struct builder *b, const char *value)
{
	if (!value || !*value)
		value = "_";
	for (size_t i = 0; value[i]; i++)
		add_byte(b, value[i], !is_unreserved(value[i]) || (i == 0 && value[i] == '.'));
}

static const char *find_value(const char *name, size_t len, const struct s3_values *values,
			      bool *ret_found)
{
	const struct {
		const char *name, *value;
	} known[] = {
		{ "id", values->id },
		{ "exe", values->exe ? text_basename(values->exe) : NULL },
		{ "container", values->container },
		{ "host", values->host },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i].name) == len && strncmp(name, known[i].name, len) == 0) {
			*ret_found = true;
			return known[i].value;
		}
	*ret_found = false;
	return NULL;
}

/* What stands between { and }; the length of both with it, 0: no such placeholder. */
static size_t add_placeholder(struct builder *b, const char *text, const struct s3_values *values)
{
	size_t len = strcspn(text, "}");
	bool found;

	if (text[len] != '}')
		return 0;
	if (len == strlen("{suffix") && strncmp(text, "{suffix", len) == 0) {
		add(b, values->suffix, strlen(values->suffix));
		return len + 1;
	}
	const char *value = find_value(text + 1, len - 1, values, &found);
	if (!found)
		return 0;
	add_value(b, value);
	return len + 1;
}

/* No empty segment, none of dots only, and nothing but printable ASCII. */
static bool is_key(const char *key)
{
	for (const char *p = key; *p; p++)
		if (*p < 0x20 || *p >= 0x7f)
			return false;
	for (const char *p = key;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
		if (*p == '\0')
			return true;
	}
}

static bool is_bucket(const char *text, size_t len)
{
	return len >= BUCKET_MIN && len <= BUCKET_MAX && text[0] != '.' && text[len - 1] != '.' &&
	       strspn(text, LETTERS DIGITS "-_.") >= len && !memmem(text, len, "..", 2);
}

static int fail(char error[S3_ERROR_SIZE], const char *what, const char *text)
{
	cleanup_free char *escaped = text_escape(text, strnlen(text, 100));

	snprintf(error, S3_ERROR_SIZE, "%s: '%s'", what, escaped ? escaped : "");
	return -EINVAL;
}

static int fill_template(struct builder *b, const char *template, const struct s3_values *values,
			 char error[S3_ERROR_SIZE])
{
	for (const char *p = template; *p;) {
		size_t len = strcspn(p, "{}");

		add(b, p, len);
		p += len;
		if (*p == '\0')
			break;
		len = *p == '{' ? add_placeholder(b, p, values) : 0;
		if (len == 0)
			return fail(error,
				    "s3_key: has something else than {id}, {exe}, {container}, "
				    "{host} and {suffix} in braces",
				    template);
		p += len;
	}
	return 0;
}

/*
 * The bucket and key for a core.  url: s3://BUCKET, with a prefix or without; template: of what is
 * behind the prefix; both as someone configured them.  0; or -EINVAL, -ENOMEM, and error says why.
 */
int s3_name_make(const char *url, const char *template, const struct s3_values *values,
		 struct s3_name *ret_name, char error[S3_ERROR_SIZE])
{
	struct builder b = { .len = 0 };

	if (strncasecmp(url, SCHEME, strlen(SCHEME)) != 0)
		return fail(error, "not s3://BUCKET/PREFIX", url);
	const char *bucket = url + strlen(SCHEME);
	size_t bucket_len = strcspn(bucket, "/");
	if (!is_bucket(bucket, bucket_len))
		return fail(error, "not the name of a bucket", bucket);

	const char *prefix = bucket + bucket_len;
	prefix += strspn(prefix, "/");
	size_t prefix_len = strlen(prefix);
	while (prefix_len > 0 && prefix[prefix_len - 1] == '/')
		prefix_len--;
	add(&b, prefix, prefix_len);
	if (prefix_len > 0)
		add(&b, "/", 1);
	int r = fill_template(&b, template, values, error);
	if (r < 0)
		return r;
	if (b.is_full)
		return fail(error, "the key would be longer than S3 takes", b.text);
	if (!is_key(b.text))
		return fail(error,
			    "not a key: it has an empty segment, one of dots, or bytes "
			    "that are not printable ASCII",
			    b.text);
	struct s3_name name = { strndup(bucket, bucket_len), strdup(b.text) };
	if (!name.bucket || !name.key) {
		s3_name_release(&name);
		snprintf(error, S3_ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	*ret_name = name;
	return 0;
}

/* Frees what it owns, and empties it. */
void s3_name_release(struct s3_name *name)
{
	free(name->bucket);
	free(name->key);
	*name = (struct s3_name){ NULL, NULL };
}

/* True for http:// or https://, a host, perhaps a port, and nothing else: no user, no query. */
bool s3_endpoint_is_valid(const char *endpoint)
{
	const char *host = endpoint;

	if (strlen(endpoint) > ENDPOINT_MAX)
		return false;
	if (strncasecmp(endpoint, "http://", 7) == 0)
		host += 7;
	else if (strncasecmp(endpoint, "https://", 8) == 0)
		host += 8;
	else
		return false;
	size_t len = strspn(host, LETTERS DIGITS "-_.:[]");
	return len > 0 && host[0] != ':' && strspn(host + len, "/") == strlen(host + len);
}

/* True for what can stand in a signature's scope. */
bool s3_region_is_valid(const char *region)
{
	size_t len = strlen(region);

	return len > 0 && len <= REGION_MAX && strspn(region, LETTERS DIGITS "-_") == len;
}

/* Percent-encoded as SigV4 wants it: everything but letters, digits, "-", "_", "." and "~" (and
 * "/", if keep_slashes).  Free it; NULL: no memory. */
char *s3_encode(const char *text, bool keep_slashes)
{
	size_t len = strlen(text);
	char *encoded = malloc(3 * len + 1), *to = encoded;

	if (!encoded)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (is_unreserved(text[i]) || (keep_slashes && text[i] == '/'))
			*to++ = text[i];
		else
			to += sprintf(to, "%%%02X", (unsigned char)text[i]);
	}
	*to = '\0';
	return encoded;
}

/* The URL of an object (free it): ENDPOINT/BUCKET/KEY, or the bucket before the endpoint's host. */
char *s3_url_make(const char *endpoint, const struct s3_name *name, bool is_virtual)
{
	cleanup_free char *path = s3_encode(name->key, true);
	const char *host = strstr(endpoint, "://");
	size_t len = strlen(endpoint);
	char *url = NULL;

	if (!path || !host)
		return NULL;
	host += strlen("://");
	while (len > 0 && endpoint[len - 1] == '/')
		len--;
	int r = is_virtual
			? asprintf(&url, "%.*s%s.%.*s/%s", (int)(host - endpoint), endpoint,
				   name->bucket, (int)(len - (size_t)(host - endpoint)), host, path)
			: asprintf(&url, "%.*s/%s/%s", (int)len, endpoint, name->bucket, path);
	return r < 0 ? NULL : url;
}
