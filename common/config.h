/* SPDX-License-Identifier: MIT */
/*
 * The configuration: /etc/coreferry/coreferry.conf on the host, /etc/coreferry/agent.conf in a
 * container.  Lines of "key = value", '#' starts a comment line.  In the host's file, "[container
 * PATTERN]" and the like starts a section: settings for some containers only.
 *
 * config_parse() and config_lines() are pure.  The host's file is root's, or it is refused; a
 * container's is the attacker's, and is read with no more rights than the victim had.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "paths.h"

#define CONFIG_FILE_MAX	   (64U << 10)
#define CONFIG_ERROR_SIZE  512
#define CONFIG_PATTERN_MAX 32
#define CONFIG_RULES_MAX   64
#define CONFIG_SLOTS_MAX   256 /* each slot that is tried is a descriptor of the helper's */

#define CONFIG_URL_MAX 4096

enum config_encoding { CONFIG_ENCODING_STORED, CONFIG_ENCODING_ZSTD, CONFIG_ENCODING_IDENTITY };

enum config_hold { CONFIG_HOLD_INIT, CONFIG_HOLD_ALWAYS, CONFIG_HOLD_NEVER };

/* A part of a file system: percent of it, or where that is 0, bytes; both 0: no limit. */
struct config_share {
	uint64_t bytes;
	uint32_t percent;
};

/* No more than count in each window; count 0: no limit. */
struct config_rate {
	uint32_t count;
	uint64_t window_ms;
};

enum config_rule_kind { CONFIG_RULE_CONTAINER, CONFIG_RULE_IMAGE, CONFIG_RULE_LABEL };

/* A section. */
struct config_rule {
	enum config_rule_kind kind;
	char *label;   /* the key of the label, or NULL */
	char *pattern; /* of the container, the image, or the label's value: fnmatch(3) */
	uint64_t keys; /* which keys stand in it: config_key_bit() */
	struct config *values;
};

struct config {
	char *store;
	char *agent; /* path of coreferry-agent */
	char *names; /* path of coreferry-names */
	char *docker_socket, *podman_socket;
	uint64_t container_lookup_timeout_ms; /* 0: no engine is asked */
	bool off;			      /* no core is taken */
	bool push;			      /* start the built-in agent */
	char *url; /* where the agent pushes, unless the container says otherwise, or NULL */
	bool fallback_core;    /* a core in the container's /tmp where nothing else could be done */
	uint64_t spool_max;    /* bytes of memory that are copied first and compressed later */
	uint64_t max_block_ms; /* the capture takes no longer than this */
	enum config_hold hold;
	uint64_t hold_max_ms;
	uint64_t push_timeout_ms;      /* of one attempt */
	uint64_t retry_for_ms;	       /* no attempt is begun later than this; 0: one is all */
	enum config_encoding encoding; /* what the agent sends, where the container says nothing */
	bool trust_container_url;      /* a container may say where its cores go */

	/* limits; 0: none */
	struct config_share max_use;   /* of the disk, for the store */
	struct config_share keep_free; /* of the disk, for others */
	uint32_t max_records;
	uint64_t max_age_ms;			       /* of crashes, whole; 0: no limit */
	uint64_t max_core;			       /* bytes of memory captured of one process */
	uint32_t max_per_container, max_per_signature; /* cores kept */
	struct config_rate rate_per_container, rate_per_signature;
	char *exclude_exe[CONFIG_PATTERN_MAX + 1], *exclude_container[CONFIG_PATTERN_MAX + 1];
	bool honour_rlimit;
	uint32_t slots;	     /* captures at once; 0: slots_count() of CPUs */
	uint64_t digest_max; /* bytes of a raw core whose digest is computed; 0: of none */

	/* coreferryd */
	char *listen;				  /* ADDR:PORT or NULL */
	char *pull_match[CONFIG_PATTERN_MAX + 1]; /* globs of executables' basenames, then NULL */
	uint64_t pull_window_ms;
	bool scope_any; /* who reaches the port sees all crashes, not only its own container's */
	char *receive;	/* directory that uploads go to, or NULL */
	char *receive_exec;		 /* program and arguments for what has arrived, or NULL */
	char *tokens_file;		 /* or NULL: no tokens */
	char *tls_certificate, *tls_key; /* or NULL */
	struct config_share receive_max_use, receive_max_use_each; /* of the disk, for uploads */
	uint32_t receive_max_cores, receive_max_cores_each;	   /* 0: no limit */
	uint64_t receive_expire_ms; /* unfinished uploads of which nothing came for so long go */

	struct config_rule *rules[CONFIG_RULES_MAX + 1]; /* in their order, then NULL */
};

int config_init(struct config *config);
void config_release(struct config *config);
#define cleanup_config __attribute__((cleanup(config_release)))

/* value NULL: key is the header of a section, with its brackets. */
typedef int (*config_line_fn)(void *context, const char *key, const char *value,
			      char error[CONFIG_ERROR_SIZE]);

int config_lines(const char *name, char *text, config_line_fn fn, void *context,
		 char error[CONFIG_ERROR_SIZE]);
int config_parse(struct config *config, const char *name, char *text,
		 char error[CONFIG_ERROR_SIZE]);
uint64_t config_key_bit(const char *key);
void config_apply_rule(struct config *config, const struct config_rule *rule);
uint64_t config_share_bytes(const struct config_share *share, uint64_t fs_bytes);
int config_load(struct config *config, const char *path, bool must_exist,
		char error[CONFIG_ERROR_SIZE]);
