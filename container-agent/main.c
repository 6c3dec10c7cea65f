// SPDX-License-Identifier: MIT
/*
 * coreferry-agent: takes a core on stdin and uploads it over HTTP.
 *
 * coreferry-helper starts it on the host as root, with --enter; it enters the crashed process's
 * container and takes that process's rights before it looks at anything there.  By hand it is an
 * ordinary program.  Its environment (CORE_*, COREFERRY_URL) is the victim's in part.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "arrive.h"
#include "crash-id.h"
#include "endpoint.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "paths.h"
#include "upload.h"

#define HOST_TRUST     "/etc/ssl/certs/ca-certificates.crt"
#define HOST_TRUST_MAX (4U << 20)

struct options {
	const char *url, *config_file;
	int plan_fd; /* -1: not started by the helper */
};

static void print_usage(FILE *to)
{
	fputs("usage: coreferry-agent [--url URL] [--config FILE]\n"
	      "\n"
	      "Uploads the core on stdin: PUT URL/ID.core.zst (or ID.core), with what CORE_* in "
	      "the\n"
	      "environment tells of it.  coreferry-helper starts it in the crashed process's\n"
	      "container, with that process's rights.\n"
	      "\n"
	      "  --url URL      where to; else COREFERRY_URL, else url in the configuration, else "
	      "the\n"
	      "                 host's configuration (CORE_DEFAULT_URL)\n"
	      "  --config FILE  instead of " PATH_AGENT_CONF "\n"
	      "  --enter FD     for coreferry-helper only: how to enter the container\n"
	      "  --help         this text\n"
	      "  --version      the version\n"
	      "\n"
	      "Exit status: 0 delivered, 75 try again, 78 no URL or bad configuration, 77 not\n"
	      "allowed or not trusted, 76 refused by the server, 65 no core.  See "
	      "coreferry-agent(8).\n",
	      to);
}

/* -1: go on; else the status to exit with. */
static int parse_options(int argc, char *argv[], struct options *o)
{
	static const struct option long_options[] = {
		{ "url", required_argument, NULL, 'u' },
		{ "config", required_argument, NULL, 'c' },
		{ "enter", required_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t number;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'u':
			o->url = optarg;
			break;
		case 'c':
			o->config_file = optarg;
			break;
		case 'e':
			if (parse_u64(optarg, INT_MAX, &number) < 0 || number <= STDERR_FILENO) {
				log_error("--enter: wants a descriptor: '%s'", optarg);
				return EX_USAGE;
			}
			o->plan_fd = (int)number;
			break;
		case 'h':
			print_usage(stdout);
			return EX_OK;
		case 'v':
			puts("coreferry-agent " COREFERRY_VERSION);
			return EX_OK;
		default:
			print_usage(stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		log_error("takes no arguments: '%s'; the core comes on stdin", argv[optind]);
		return EX_USAGE;
	}
	return -1;
}

/* The size and form of what is on stdin, from the environment: 0 or a status to exit with. */
static int describe(struct upload *u, const char **ret_suffix)
{
	const char *encoding = getenv("CORE_ENCODING"), *size = getenv("CORE_SIZE");
	uint64_t bytes;

	u->size = -1;
	u->sha256 = getenv("CORE_SHA256");
	if (size && parse_u64(size, INT64_MAX, &bytes) < 0) {
		log_error("CORE_SIZE: not a number of bytes: '%s'", size);
		return EX_DATAERR;
	}
	if (size)
		u->size = (int64_t)bytes;
	if (encoding && strcmp(encoding, "zstd") == 0) {
		u->content_type = "application/zstd";
		*ret_suffix = ".core.zst";
	} else if (!encoding || strcmp(encoding, "identity") == 0) {
		u->content_type = "application/x-coredump";
		*ret_suffix = ".core";
	} else {
		log_error("CORE_ENCODING: not zstd or identity: '%s'", encoding);
		return EX_DATAERR;
	}
	return EX_OK;
}

static int push(const struct options *o, struct upload *u)
{
	const char *id = getenv("CORE_ID"), *suffix = "";
	char error[ENDPOINT_ERROR_SIZE] = "out of memory";
	cleanup_free char *base = NULL;

	if (!id || !crash_id_is_valid(id)) {
		log_error("CORE_ID: not the id of a crash: '%s'", id ? id : "");
		return EX_DATAERR;
	}
	int status = describe(u, &suffix);
	if (status != EX_OK)
		return status;
	if (endpoint_find(o->url, o->config_file, &base, error) < 0) {
		log_error("%s", error);
		return EX_CONFIG;
	}
	cleanup_free char *url = endpoint_make_url(base, id, suffix, error);
	if (!url) {
		log_error("%s", error);
		return EX_CONFIG;
	}
	u->url = url;
	return upload_put(u);
}

int main(int argc, char *argv[])
{
	struct options options = { .plan_fd = -1 };
	struct upload upload = { .in = stdin };
	cleanup_free char *trust = NULL;

	log_init("coreferry-agent", false);
	int status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_error("libcurl cannot be initialised");
		return EX_SOFTWARE;
	}
	if (options.plan_fd >= 0) {
		/* Brought along for a container that has no certificates of its own. */
		(void)file_read_at(AT_FDCWD, HOST_TRUST, HOST_TRUST_MAX, &trust, &upload.trust_len);
		upload.trust = trust;
		if (arrive(options.plan_fd) < 0)
			return EX_OSERR;
	}
	status = push(&options, &upload);
	curl_global_cleanup();
	return status;
}
