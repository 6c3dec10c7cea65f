// SPDX-License-Identifier: MIT
/*
 * coreferry-agent: takes a core on stdin and brings it to where it is wanted.
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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "arrive.h"
#include "crash-id.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "paths.h"
#include "push.h"
#include "settings.h"
#include "source.h"

#define HOST_TRUST     "/etc/ssl/certs/ca-certificates.crt"
#define HOST_TRUST_MAX (1U << 20)

struct options {
	const char *url, *config_file;
	int plan_fd; /* -1: not started by the helper */
};

static void print_usage(FILE *to)
{
	fputs("usage: coreferry-agent [--url URL] [--config FILE] < CORE\n"
	      "\n"
	      "Brings the core on stdin to where it is wanted, with what CORE_* in the "
	      "environment\n"
	      "tells of it: over HTTP, by tus where the endpoint offers it, else by PUT\n"
	      "URL/ID.core.zst (or ID.core); to s3://BUCKET/PREFIX; or into the container's own\n"
	      "file:PATH.  Reports go to stdout, as JSON.  coreferry-helper starts it in the\n"
	      "crashed process's container, with that process's rights.\n"
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

/* Whose URLs begin how.  A scheme that is not here has no business with a core. */
static const struct scheme {
	const char *prefix;
	int (*push)(struct push *push);
	const char *encoding; /* NULL: as the settings say */
} schemes[] = {
	{ "http://", push_http, NULL },
	{ "https://", push_http, NULL },
	{ "http+unix://", push_http, NULL },
	{ "s3://", push_s3, NULL },
	/* A file called core is for tools that know nothing of us. */
	{ "file:", push_file, "identity" },
};

static const struct scheme *find_scheme(const char *url)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (strncasecmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return &schemes[i];
	return NULL;
}

/* Opens the source, unless there is nothing to send, and pushes. */
static int push_source(struct push *push)
{
	char error[SOURCE_ERROR_SIZE];
	cleanup_source struct source source = { .fd = -1 };
	const struct scheme *scheme = find_scheme(push->url);

	if (!scheme)
		return push_fail(push, EX_CONFIG,
				 "not a URL to push to: '%.100s': it must begin with http://, "
				 "https://, http+unix://, s3:// or file:",
				 push->url);
	if (push->abandon)
		return scheme->push(push);
	const char *encoding = scheme->encoding ? scheme->encoding : push->settings->encoding;
	if (source_open(&source, STDIN_FILENO, encoding, error) < 0)
		return push_fail(push, EX_DATAERR, "%s", error);
	if (source.is_raw && strcmp(encoding, "identity") != 0)
		log_info("the core is stored raw: it is sent so, and not as %s", encoding);
	push->source = &source;
	push->report.total = source.has_size ? source.size : 0;
	int status = scheme->push(push);
	push->source = NULL;
	return status;
}

static int push(const struct options *o, struct push *p)
{
	const char *resume = getenv("CORE_RESUME"), *abandon = getenv("CORE_ABANDON");
	char error[SETTINGS_ERROR_SIZE];
	cleanup_settings struct settings settings = { 0 };

	p->id = getenv("CORE_ID");
	if (!p->id || !crash_id_is_valid(p->id))
		return push_fail(p, EX_DATAERR, "CORE_ID: not the id of a crash: '%.100s'",
				 p->id ? p->id : "");
	if (settings_load(&settings, o->url, o->config_file, error) < 0)
		return push_fail(p, EX_CONFIG, "%s", error);
	if (resume && push_report_is_resume(resume))
		p->resume = resume;
	p->abandon = abandon && strcmp(abandon, "1") == 0;
	p->settings = &settings;
	p->url = settings.url;
	int status = push_source(p);
	p->settings = NULL;
	return status;
}

/* Certificates for a container that has none of its own. */
static void bring_trust(struct push *p, char **trust)
{
	if (file_read_at(AT_FDCWD, HOST_TRUST, HOST_TRUST_MAX, trust, &p->trust_len) == 0)
		p->trust = *trust;
}

static void pass_over(int number)
{
	(void)number;
}

int main(int argc, char *argv[])
{
	struct options options = { .plan_fd = -1 };
	struct push attempt = { 0 };
	cleanup_free char *trust = NULL;

	log_init("coreferry-agent", false);
	int status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	/* A peer that has gone, or a report that nobody reads, is an error and not an end. */
	(void)signal(SIGPIPE, pass_over);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_error("libcurl cannot be initialised");
		return EX_SOFTWARE;
	}
	attempt.is_helped = options.plan_fd >= 0;
	if (options.plan_fd >= 0) {
		bring_trust(&attempt, &trust);
		if (arrive(options.plan_fd) < 0)
			return EX_OSERR;
	}
	status = push(&options, &attempt);
	push_tell(&attempt);
	push_report_release(&attempt.report);
	curl_global_cleanup();
	return status;
}
