/* SPDX-License-Identifier: MIT */
/*
 * What the agent is told: by its options, its environment, and the container's agent.conf.
 */
#pragma once

#include <stdbool.h>

#define SETTINGS_ERROR_SIZE 512

/* A text that is not set is NULL. */
struct settings {
	char *url;		   /* where to push */
	char *encoding;		   /* "zstd" or "identity" */
	bool container_is_trusted; /* false: nothing that the container says counts */
	char *configured_url;	   /* `url` of agent.conf: whom its credentials are for */
	char *ca_file, *client_cert, *client_key, *authorization_file; /* paths */
	/* S3: what the environment does not say (s3-settings.c) */
	char *s3_endpoint, *s3_region, *s3_addressing, *s3_key;
	char *s3_access_key, *s3_secret_key, *s3_session_token;
	char *s3_credentials_file, *s3_profile, *s3_part_size;
};

int settings_load(struct settings *settings, const char *url_option, const char *config_file,
		  char error[SETTINGS_ERROR_SIZE]);
void settings_release(struct settings *settings);
#define cleanup_settings __attribute__((cleanup(settings_release)))
