// SPDX-License-Identifier: MIT
/*
 * Whom the agent trusts, and what it shows of itself.
 *
 * The files are the container's, and read with the victim's rights, before libcurl sees them: what
 * is no regular file, or too long, is refused here, where libcurl would wait for a FIFO's writer
 * or read for ever.
 */
#include "http-access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "fd.h"
#include "log.h"

#define CA_MAX		  (1U << 20) /* Debian's bundle has 220 KB */
#define KEY_MAX		  (256U << 10)
#define AUTHORIZATION_MAX 4096

/* Where the distributions have them. */
static const char *const ca_files[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
	"/etc/ssl/ca-bundle.pem",	      /* openSUSE */
	"/etc/ssl/cert.pem",
};

static const char *explain(int r)
{
	return r == -EINVAL  ? "it is not a regular file"
	       : r == -EFBIG ? "it is too long"
			     : strerror(-r);
}

static int read_setting(struct push *p, const char *key, const char *path, size_t max,
			char **ret_text, size_t *ret_len)
{
	int r = path ? file_read_at(AT_FDCWD, path, max, ret_text, ret_len) : 0;

	return r < 0 ? push_fail(p, EX_CONFIG, "%s: %s: cannot be read: %s", key, path, explain(r))
		     : EX_OK;
}

/* What agent.conf says, SSL_CERT_FILE, the container's own; else what the host lends. */
static int load_ca(struct push *p, struct http_access *a)
{
	const struct settings *s = p->settings;
	const char *variable = getenv("SSL_CERT_FILE");
	int status = read_setting(p, "ca_file", s->ca_file, CA_MAX, &a->ca, &a->ca_len);

	if (status != EX_OK)
		return status;
	if (s->container_is_trusted && !a->ca && variable && *variable) {
		int r = file_read_at(AT_FDCWD, variable, CA_MAX, &a->ca, &a->ca_len);

		if (r < 0)
			log_warning("SSL_CERT_FILE: %s: cannot be read: %s", variable, explain(r));
	}
	for (size_t i = 0; s->container_is_trusted && !a->ca; i++) {
		if (i == sizeof(ca_files) / sizeof(*ca_files))
			break;
		(void)file_read_at(AT_FDCWD, ca_files[i], CA_MAX, &a->ca, &a->ca_len);
	}
	if (!a->ca) {
		a->lent_ca = p->trust;
		a->lent_ca_len = p->trust_len;
	}
	return EX_OK;
}

/* The first line of the file: what it holds is never shown to anyone but the server. */
static int load_authorization(struct push *p, struct http_access *a)
{
	const char *path = p->settings->authorization_file;
	cleanup_free char *text = NULL;
	size_t len = 0;
	int status = read_setting(p, "authorization_file", path, AUTHORIZATION_MAX, &text, &len);

	if (!text)
		return status;
	len = strcspn(text, "\r\n");
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] >= 0x7f)
			len = 0;
	if (len == 0)
		return push_fail(p, EX_CONFIG,
				 "authorization_file: %s: its first line must be what stands "
				 "behind \"Authorization:\", visible ASCII and spaces",
				 path);
	a->authorization = ptr_steal(&text);
	return EX_OK;
}

/*
 * Reads what the settings name.  EX_OK, or a status of sysexits(3) after push_fail(); release it in
 * any case.
 */
int http_access_load(struct push *push, struct http_access *access)
{
	const struct settings *s = push->settings;
	int status = load_ca(push, access);

	access->uses_proxies = s->container_is_trusted;
	if (status == EX_OK)
		status = read_setting(push, "client_cert", s->client_cert, KEY_MAX,
				      &access->client_cert, &access->client_cert_len);
	if (status == EX_OK)
		status = read_setting(push, "client_key", s->client_key, KEY_MAX,
				      &access->client_key, &access->client_key_len);
	return status == EX_OK ? load_authorization(push, access) : status;
}

/* Forgets what is meant for another server than the one that is pushed to. */
void http_access_drop_credentials(struct http_access *access)
{
	free(access->client_cert);
	free(access->client_key);
	free(access->authorization);
	access->client_cert = access->client_key = access->authorization = NULL;
}

static struct curl_blob blob_of(const char *text, size_t len)
{
	struct curl_blob blob = { .len = len, .flags = CURL_BLOB_NOCOPY };

	memcpy(&blob.data, &text, sizeof(blob.data));
	return blob;
}

/*
 * Sets it for the next request.  is_home: that goes to the server that the credentials are for.
 * access must stay as it is as long as the handle is used.
 */
void http_access_apply(CURL *curl, const struct http_access *access, bool is_home)
{
	const char *ca = access->ca ? access->ca : access->lent_ca;
	struct curl_blob ca_blob = blob_of(ca, access->ca ? access->ca_len : access->lent_ca_len);
	struct curl_blob cert = blob_of(access->client_cert, access->client_cert_len);
	const char *key_text = access->client_key ? access->client_key : access->client_cert;
	struct curl_blob key = blob_of(key_text, access->client_key ? access->client_key_len
								    : access->client_cert_len);

	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	/* Nothing but what was read above: no directory, no file that libcurl was built with. */
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, NULL);
	curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, NULL);
	if (ca) {
		curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca_blob);
		curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO_BLOB, &ca_blob);
	}
	if (!access->uses_proxies)
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (!is_home || !access->client_cert)
		return;
	curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &cert);
	curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
	curl_easy_setopt(curl, CURLOPT_KEYPASSWD, ""); /* do not ask for one at the terminal */
}

/* Frees what it owns. */
void http_access_release(struct http_access *access)
{
	free(access->ca);
	http_access_drop_credentials(access);
	*access = (struct http_access){ 0 };
}
