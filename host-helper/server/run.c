// SPDX-License-Identifier: MIT
/*
 * The server's life after its start.
 *
 * Only signals are heard here, and only the kernel's settings and our own directory are looked at:
 * nothing of a peer's.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "../cli/registration-line.h"
#include "clock.h"
#include "confine-server.h"
#include "fd.h"
#include "limits.h"
#include "log.h"
#include "tus-upload.h"

#define CORE_PATTERN_PATH "/proc/sys/kernel/core_pattern"
#define LOOK_EVERY_MS	  60000
#define DRAIN_STEP_MS	  100

/* --- what is to be done now and then --- */

enum registration { REGISTRATION_UNKNOWN, REGISTRATION_OURS, REGISTRATION_GONE };

/* Tells it once when crashes begin to go elsewhere, or come back. */
static void look_at_registration(enum registration *last)
{
	cleanup_free char *text = NULL;
	size_t len = 0;

	if (file_read_at(AT_FDCWD, CORE_PATTERN_PATH, 4096, &text, &len) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	enum registration now =
		registration_line_is_coreferry(text) ? REGISTRATION_OURS : REGISTRATION_GONE;
	if (now != *last && now == REGISTRATION_GONE)
		log_warning(
			"core_pattern is not coreferry's (it is \"%s\"): crashes are not captured; "
			"'coreferry status' tells more, 'coreferry register' mends it",
			text);
	else if (now != *last && *last == REGISTRATION_GONE)
		log_info("core_pattern is coreferry's again");
	*last = now;
}

static void remove_expired(const struct base *base, const struct config *config)
{
	uint64_t now_us = clock_now_us(), expire_us = config->receive_expire_ms * 1000;

	if (!base->receive)
		return;
	unsigned count = tus_upload_remove_old(base->uploads_fd, expire_us ? now_us - expire_us : 0,
					       now_us - LIMIT_TUS_DONE_MS * 1000);
	if (count > 0)
		log_info("%u uploads of which nothing came any more are removed", count);
}

/* --- generations --- */

static void log_start(const struct base *base)
{
	for (size_t i = 0; i < base->listeners.count; i++) {
		char text[sizeof(base->listeners.list[0].path) + LISTEN_TEXT_SIZE];

		listener_format(&base->listeners.list[i], text, sizeof(text));
		log_info("listening on %s as user %u, group %u%s%s%s%s", text, geteuid(), getegid(),
			 base->pull ? "; serves " : "", base->pull ? base->store_path : "",
			 base->receive ? "; receives into " : "",
			 base->receive ? base->received_path : "");
	}
}

/* Frees those behind `first` that have nothing to do any more. */
static void free_idle(struct generation **link)
{
	while (*link) {
		struct generation *g = *link;

		if (generation_is_idle(g)) {
			*link = g->next;
			generation_free(&g);
		} else {
			link = &g->next;
		}
	}
}

/* Those that take long are not let to pile up. */
static void end_oldest(struct generation **link)
{
	size_t count = 0;

	for (struct generation *g = *link; g; g = g->next)
		if (++count >= LIMIT_GENERATIONS) {
			log_warning("the %u requests that began %zu reloads ago are ended",
				    atomic_load(&g->server.requests), count);
			g->drain_until_ms = 0;
		}
	free_idle(link);
}

/* The next generation takes over; if it cannot, this one stays. */
static void reload(const struct base *base, struct generation **current)
{
	struct generation *next = NULL;

	if (generation_new(base, &next) != EX_OK || generation_start(next, base) != EX_OK) {
		log_error("not reloaded: what was in force stays in force");
		generation_free(&next);
		return;
	}
	end_oldest(&(*current)->next);
	generation_quiesce(*current);
	next->next = *current;
	*current = next;
	log_info("reloaded: configuration, tokens and certificates");
}

/* Nobody new is let in; who is in may end, for a while, or until a second signal. */
static void stop(struct base *base, struct generation **current, const sigset_t *signals)
{
	const struct timespec step = { 0, 20000000 };
	uint64_t until_ms = clock_monotonic_ms() + LIMIT_SHUTDOWN_MS;

	listeners_close(&base->listeners);
	for (struct generation *g = *current; g; g = g->next) {
		generation_quiesce(g);
		generation_stop_waiting(g);
		g->drain_until_ms = until_ms;
	}
	for (free_idle(current); *current; free_idle(current))
		if (sigtimedwait(signals, NULL, &step) > 0)
			break;
	while (*current) {
		struct generation *g = *current;

		*current = g->next;
		generation_free(&g);
	}
}

static const char *signal_name(int number)
{
	return number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
}

static int wait_for_signal(const sigset_t *signals, uint64_t ms)
{
	const struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	int number = sigtimedwait(signals, NULL, &time);

	return number < 0 ? 0 : number;
}

static void loop(struct base *base, struct generation **current, const sigset_t *signals)
{
	enum registration registration = REGISTRATION_UNKNOWN;
	uint64_t look_ms = 0;

	for (;;) {
		uint64_t now_ms = clock_monotonic_ms();

		if (now_ms >= look_ms) {
			remove_expired(base, &(*current)->server.config);
			if (base->pull)
				look_at_registration(&registration);
			look_ms = now_ms + LOOK_EVERY_MS;
		}
		int number = wait_for_signal(signals,
					     (*current)->next ? DRAIN_STEP_MS : look_ms - now_ms);
		free_idle(&(*current)->next);
		if (number == SIGHUP)
			reload(base, current);
		else if (number != 0) {
			log_info("ends: %s", signal_name(number));
			return;
		}
	}
}

/* Serves until a signal ends it.  An exit status; what was wrong is said. */
int run(struct base *base)
{
	struct generation *current = NULL;
	sigset_t signals;

	/* Blocked in every thread: this one takes them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	int r = generation_new(base, &current);
	if (r != EX_OK)
		return r;
	generation_raise_descriptors();
	r = confine_server();
	if (r < 0) {
		log_error("system calls cannot be given up: %s", strerror(-r));
		r = EX_OSERR;
	} else {
		r = generation_start(current, base);
	}
	if (r != EX_OK) {
		generation_free(&current);
		return r;
	}
	log_start(base);
	loop(base, &current, &signals);
	stop(base, &current, &signals);
	return EX_OK;
}
