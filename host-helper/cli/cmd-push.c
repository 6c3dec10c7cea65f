// SPDX-License-Identifier: MIT
/*
 * coreferry push: brings the core of one crash to an endpoint, from the host.
 *
 * By the agent, as whoever calls: it sends what the caller may read, and nothing runs with more
 * rights than that.  What stands in the record is the victim's, and is escaped on the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "backoff.h"
#include "cli.h"
#include "clock.h"
#include "crash-lookup.h"
#include "fd.h"
#include "log.h"
#include "parse.h"
#include "push-attempt.h"
#include "show.h"

#define PROGRESS_BYTES (64U << 10) /* as the helper counts it */

struct push {
	const struct store *store;
	struct push_attempt attempt;
	uint64_t retry_for_ms;
	struct crash crash;
	int dirfd;
	/* of the attempts so far */
	unsigned count, failures;
	uint64_t reached;
	char *resume;
	struct push_report report;
	uint64_t attempt_us;
	uint64_t duration_ms;
	int status;
};

static void print_attempt(const struct push *p)
{
	const struct push_report *r = &p->report;
	cleanup_free char *url = show_text(r->url, "the endpoint");
	cleanup_free char *error = show_text(r->error, "");
	cleanup_free char *verified = show_text(r->verified, "");
	char sent[SHOW_SIZE_SIZE];

	show_size(r->sent, sent);
	printf("attempt %u: %s: %s, %s sent in %llu.%03u s", p->count, url ? url : "?",
	       p->status == EX_OK	  ? "delivered"
	       : p->status == EX_TEMPFAIL ? "failed, may be tried again"
					  : "failed",
	       sent, (unsigned long long)(p->duration_ms / 1000),
	       (unsigned)(p->duration_ms % 1000));
	if (verified && *verified)
		printf(", verified by %s", verified);
	if (error && *error)
		printf(": %s", error);
	putchar('\n');
	(void)fflush(stdout);
}

static int fill_attempt(const struct push *p, struct crash *crash)
{
	struct crash_attempt *a = crash_attempts_add(&crash->attempts, p->attempt_us);
	const struct push_report *r = &p->report;

	a->is_under_way = false;
	a->duration_ms = p->duration_ms;
	a->status = r->status;
	a->sent = r->sent;
	a->offset = r->offset;
	a->total = r->total;
	if (p->status < 128)
		a->exit_status = p->status;
	else
		a->term_signal = p->status - 128;
	if (crash_set_string(&a->protocol, r->protocol) < 0 ||
	    crash_set_string(&a->url, r->url) < 0 ||
	    crash_set_string(&a->verified, r->verified) < 0 ||
	    crash_set_string(&a->reason, r->error ? r->error : "pushed by hand") < 0)
		return -ENOMEM;
	if (p->status != EX_OK)
		return 0;
	crash->delegation = CRASH_DELEGATION_DONE;
	crash->exit_status = EX_OK;
	crash->term_signal = 0;
	return crash_set_string(&crash->delegation_reason, "pushed by hand");
}

/* The delivery log is root's to write, and while a helper is at it that one's. */
static void log_attempt(const struct push *p)
{
	cleanup_crash struct crash crash;

	if (geteuid() != 0)
		return;
	crash_init(&crash);
	int r = store_read_record(p->dirfd, &crash);
	if (r == 0 && (crash.delegation == CRASH_DELEGATION_RUNNING ||
		       crash.delegation == CRASH_DELEGATION_WAITING))
		return;
	if (r == 0)
		r = fill_attempt(p, &crash);
	if (r == 0)
		r = store_write_record(p->store, p->dirfd, &crash);
	if (r < 0)
		log_warning("%s: this attempt is not in its record: %s", p->crash.id, strerror(-r));
}

static int make_attempt(struct push *p)
{
	uint64_t start_us = clock_monotonic_us();

	push_report_release(&p->report);
	p->count++;
	p->attempt_us = clock_now_us();
	p->attempt.resume = p->resume;
	int r = push_attempt_run(&p->attempt, &p->report, &p->status);
	if (r < 0) {
		log_error("the agent could not be run: %s", strerror(-r));
		return EX_OSERR;
	}
	p->duration_ms = (clock_monotonic_us() - start_us) / 1000;
	if (p->report.resume)
		(void)crash_set_string(&p->resume, p->report.resume);
	print_attempt(p);
	log_attempt(p);
	return p->status;
}

/* The pause before the next attempt, in ms. */
static uint64_t next_pause(struct push *p)
{
	uint32_t random = 0;
	bool has_progress = p->report.offset >= p->reached + PROGRESS_BYTES;

	p->failures = has_progress ? 1 : p->failures + 1;
	if (has_progress)
		p->reached = p->report.offset;
	(void)!getrandom(&random, sizeof(random), 0);
	return backoff_ms(p->failures, p->report.retry_after_s, random);
}

static int push_until_final(struct push *p)
{
	uint64_t end_ms = clock_monotonic_ms() + p->retry_for_ms;
	int status;

	while ((status = make_attempt(p)) == EX_TEMPFAIL && p->retry_for_ms > 0) {
		uint64_t pause_ms = next_pause(p);
		const struct timespec pause = { .tv_sec = (time_t)(pause_ms / 1000),
						.tv_nsec = (long)(pause_ms % 1000 * 1000000) };

		if (clock_monotonic_ms() + pause_ms > end_ms) {
			log_error("%s: not delivered: --retry-for is over", p->crash.id);
			break;
		}
		nanosleep(&pause, NULL);
	}
	return status;
}

/* What is half there at the endpoint is of no use to anybody. */
static void abandon(struct push *p)
{
	int status = EX_SOFTWARE;

	push_report_release(&p->report);
	p->attempt.resume = p->resume;
	p->attempt.abandon = true;
	if (push_attempt_run(&p->attempt, &p->report, &status) < 0 || status != EX_OK)
		log_warning("%s: what is half there could not be taken back", p->crash.id);
}

static int open_core(struct push *p)
{
	if (!p->crash.core_file) {
		log_error("%s has no core%s", p->crash.id,
			  p->crash.core_removed ? " any more: it was removed" : "");
		return EX_UNAVAILABLE;
	}
	p->attempt.core_fd = openat(p->dirfd, p->crash.core_file,
				    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (p->attempt.core_fd < 0) {
		log_error("%s: its core cannot be read: %s%s", p->crash.id, strerror(errno),
			  errno == EACCES && p->crash.root_only
				  ? "; it is for root alone, see `coreferry info`"
				  : "");
		return errno == EACCES ? EX_NOPERM : EX_IOERR;
	}
	if (p->crash.root_only)
		log_warning("%s: this core is for root alone (it may hold what its user must not "
			    "read); it is pushed because root says so",
			    p->crash.id);
	return EX_OK;
}

static int push(struct push *p, const char *id)
{
	crash_init(&p->crash);
	p->dirfd = p->attempt.core_fd = -1;
	int r = crash_lookup_record(p->store, id, &p->dirfd, &p->crash, NULL, NULL);
	int code = EX_OK;

	if (r < 0) {
		log_error("%s: %s", id, crash_lookup_strerror(r));
		code = r == -EACCES ? EX_NOPERM : r == -EINVAL ? EX_DATAERR : EX_IOERR;
	}
	p->attempt.crash = &p->crash;
	if (code == EX_OK)
		code = open_core(p);
	if (code == EX_OK) {
		code = push_until_final(p);
		if (code != EX_OK && p->resume)
			abandon(p);
	}
	fd_close(&p->attempt.core_fd);
	fd_close(&p->dirfd);
	crash_release(&p->crash);
	push_report_release(&p->report);
	free(p->resume);
	return code;
}

enum { OPTION_RETRY_FOR = CLI_OPTION_OWN, OPTION_ENCODING };

static int take_option(struct cli *cli, struct push *p, int option)
{
	switch (option) {
	case OPTION_RETRY_FOR:
		if (parse_duration_ms(optarg, &p->retry_for_ms) < 0 ||
		    p->retry_for_ms > UINT64_MAX / 2000)
			return cli_usage_error(cli,
					       "--retry-for wants a time such as 30s or 10min");
		return CLI_GO_ON;
	case OPTION_ENCODING:
		if (strcmp(optarg, "zstd") != 0 && strcmp(optarg, "identity") != 0)
			return cli_usage_error(cli, "--encoding wants zstd or identity");
		p->attempt.encoding = optarg;
		return CLI_GO_ON;
	default:
		return cli_option(cli, option);
	}
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "retry-for", required_argument, NULL, OPTION_RETRY_FOR },
		{ "encoding", required_argument, NULL, OPTION_ENCODING },
		CLI_COMMON_OPTIONS,
	};
	cleanup_store struct store store = { .crashes_fd = -1 };
	struct push p = { .store = &store };
	char id[CRASH_ID_SIZE];
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int code = take_option(cli, &p, option);

		if (code != CLI_GO_ON)
			return code;
	}
	if (argc - optind != 1 && argc - optind != 2)
		return cli_usage_error(cli, "wants the id of one crash, or `last`; and where to");
	p.attempt.url = argc - optind == 2 ? argv[optind + 1] : NULL;
	int code = cli_load(cli, CLI_LOAD_WARN);
	p.attempt.config = &cli->config;
	if (code == EX_OK)
		code = cli_open_store(cli, &store);
	if (code == EX_OK)
		code = crash_lookup(&store, argv[optind], id);
	return code == EX_OK ? push(&p, id) : code;
}

const struct cli_command cli_push = {
	.name = "push",
	.summary = "Brings the core of one crash to an endpoint",
	.arguments = "[OPTIONS] ID|last [URL]",
	.options = "      --retry-for TIME  how long it may be tried again (default: once)\n"
		   "      --encoding zstd|identity\n",
	.run = run,
};
