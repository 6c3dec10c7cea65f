// SPDX-License-Identifier: MIT
/*
 * The certificate and the key.
 *
 * The files are the operator's.  They are read as the server's own user, so that they can be read
 * again when they are renewed; a key that everybody can read is refused.
 */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define PEM_MAX (256U << 10)

static int load(const char *path, bool is_secret, char **ret_text, char error[TLS_ERROR_SIZE])
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st = { 0 };
	size_t len = 0;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX)
		r = -EINVAL;
	if (r == 0 && is_secret && (st.st_mode & 007)) {
		snprintf(error, TLS_ERROR_SIZE, "%s: refused: everybody can read it; chmod o= it",
			 path);
		return -EPERM;
	}
	if (r == 0)
		r = fd_read_some(fd, PEM_MAX, ret_text, &len);
	if (r < 0)
		snprintf(error, TLS_ERROR_SIZE, "%s: cannot be read: %s", path, strerror(-r));
	return r;
}

/* Reads both. 0; negative: `error` tells which, and why. */
int tls_load(const char *certificate, const char *key, struct tls *ret_tls,
	     char error[TLS_ERROR_SIZE])
{
	struct tls tls = { 0 };
	int r = load(certificate, false, &tls.certificate, error);

	if (r == 0)
		r = load(key, true, &tls.key, error);
	if (r < 0) {
		tls_release(&tls);
		return r;
	}
	*ret_tls = tls;
	return 0;
}

/* Frees them; nothing of the key stays in memory of ours. */
void tls_release(struct tls *tls)
{
	if (tls->key)
		explicit_bzero(tls->key, strlen(tls->key));
	free(tls->certificate);
	free(tls->key);
	*tls = (struct tls){ 0 };
}
