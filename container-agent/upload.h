/* SPDX-License-Identifier: MIT */
/*
 * One HTTP PUT of what stands on stdin, with the headers that tell what it is.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct upload {
	const char *url; /* of the new resource */
	const char *content_type;
	int64_t size;	    /* bytes on stdin, or -1: not known */
	const char *sha256; /* of them, in hexadecimal, or NULL */
	const char *trust;  /* certificates in PEM that the host lends, or NULL */
	size_t trust_len;
	FILE *in;
};

int upload_put(const struct upload *upload);
