// SPDX-License-Identifier: MIT
/*
 * coreferry-names: reads what a container engine answers, and writes down what the container is
 * called.  coreferry-helper starts it after a crash; nobody else has a use for it.
 *
 * Its input is the engine's, with strings of whoever made the image or started the container.  So
 * it gives up all rights before it reads the first byte (confine-names.c); it has no connection to
 * the engine, which would be as good as root.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "build-info.h"
#include "confine-names.h"
#include "container-facts.h"
#include "engine-answer.h"
#include "fd.h"
#include "fetch.h"
#include "parse.h"

#define BUNDLE_MAX (1U << 20)

static void print_usage(FILE *to)
{
	fputs("usage: coreferry-names --engine ID PARENT   (a socket with an engine's answer on "
	      "0)\n"
	      "       coreferry-names --bundle ID PARENT   (config.json of an OCI bundle on 0)\n"
	      "\n"
	      "For coreferry-helper only: writes what the container is called, for its record.\n"
	      "\n"
	      "  --help      this text\n"
	      "  --version   the version\n",
	      to);
}

__attribute__((format(printf, 2, 3))) static void fail(struct container_facts *facts,
						       const char *format, ...)
{
	char text[CONTAINER_ERROR_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)container_facts_set(&facts->error, text);
}

static void read_engine(struct fetch *fetch, const char *id, struct container_facts *facts)
{
	char *body = NULL;
	size_t len = 0;
	long status = 0;
	int code = fetch_run(fetch, STDIN_FILENO, &status, &body, &len);

	if (code != 0)
		fail(facts, "the engine's answer cannot be read: %s",
		     curl_easy_strerror((CURLcode)code));
	else if (status == 404)
		fail(facts, "the engine knows no such container");
	else if (status != 200)
		fail(facts, "the engine answered with status %ld", status);
	else if (engine_answer_parse(body, len, id, facts) < 0)
		fail(facts, "the engine's answer does not tell of this container");
}

static void read_bundle(struct container_facts *facts)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = fd_read_some(STDIN_FILENO, BUNDLE_MAX, &text, &len);

	if (r == 0)
		r = engine_bundle_parse(text, len, facts);
	if (r == -ENODATA)
		fail(facts, "the container's config.json does not tell of Kubernetes");
	else if (r < 0)
		fail(facts, "the container's config.json cannot be read: %s", strerror(-r));
}

static int write_facts(const struct container_facts *facts)
{
	cleanup_free char *bytes = NULL;
	size_t len = 0;
	int r = container_facts_write(facts, &bytes, &len);

	if (r == 0)
		r = fd_write_all(STDOUT_FILENO, bytes, len);
	return r == 0 ? EX_OK : EX_IOERR;
}

int main(int argc, char *argv[])
{
	cleanup_container_facts struct container_facts facts = { .name = NULL };
	bool is_engine = argc == 4 && strcmp(argv[1], "--engine") == 0;
	bool is_bundle = argc == 4 && strcmp(argv[1], "--bundle") == 0;
	struct fetch *fetch = NULL;
	uint64_t parent;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_usage(stdout);
		return EX_OK;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("coreferry-names " COREFERRY_VERSION);
		return EX_OK;
	}
	if ((!is_engine && !is_bundle) || parse_u64(argv[3], INT_MAX, &parent) < 0) {
		print_usage(stderr);
		return EX_USAGE;
	}
	if (is_engine &&
	    (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK || !(fetch = fetch_new())))
		return EX_SOFTWARE;
	json_object_seed(0); /* it reads a file for that */
	if (confine_names((pid_t)parent) < 0)
		return EX_OSERR;
	if (is_engine)
		read_engine(fetch, argv[2], &facts);
	else
		read_bundle(&facts);
	int status = write_facts(&facts);
	fetch_free(fetch);
	return status;
}
