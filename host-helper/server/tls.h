/* SPDX-License-Identifier: MIT */
/*
 * The certificate and the key of https:// listeners.
 */
#pragma once

#define TLS_ERROR_SIZE 512
/* As GnuTLS writes it: TLS 1.2 and 1.3, nothing that is broken. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct tls {
	char *certificate, *key; /* PEM */
};

int tls_load(const char *certificate, const char *key, struct tls *ret_tls,
	     char error[TLS_ERROR_SIZE]);
void tls_release(struct tls *tls);
