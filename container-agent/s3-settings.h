/* SPDX-License-Identifier: MIT */
/*
 * Which S3 endpoint, and who we are to it: from the environment and agent.conf.
 *
 * Secrets are kept here and handed to libcurl; no message, report or header shows them.
 */
#pragma once

#include <stdbool.h>

#include "s3-name.h"
#include "settings.h"

struct s3_credentials {
	char *access_key, *secret_key, *session_token; /* NULL: not set */
};

struct s3_settings {
	char *endpoint;
	char *region;
	bool is_virtual; /* the bucket stands before the endpoint's host name */
	struct s3_credentials credentials;
};

int s3_settings_load(const struct settings *settings, const char *bucket,
		     struct s3_settings *ret_s3, char error[S3_ERROR_SIZE]);
void s3_settings_release(struct s3_settings *s3);
#define cleanup_s3_settings __attribute__((cleanup(s3_settings_release)))

int s3_credentials_parse(const char *text, const char *profile,
			 struct s3_credentials *ret_credentials);
void s3_credentials_release(struct s3_credentials *credentials);
#define cleanup_s3_credentials __attribute__((cleanup(s3_credentials_release)))
