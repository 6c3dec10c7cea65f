// SPDX-License-Identifier: MIT
/*
 * Asking what the victim's container is called.
 *
 * A connection to an engine is as good as root, so nobody else gets it: coreferry-names has one end
 * of a pair of sockets, with the engine's answer in it, and nothing else.  The answer's strings are
 * of whoever started the container or made its image; what coreferry-names says is not trusted.
 */
#include "lookup.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "container.h"
#include "fd.h"
#include "names-process.h"
#include "pod-files.h"

#define ANSWER_MAX (256U << 10)
#define TICK_MS	   50

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/*
 * Asks, without waiting for an answer, if there is anybody to be asked.  The cgroup is in the
 * snapshot already; config is used until the end.
 */
void lookup_start(struct lookup *l, const struct config *config, const struct victim *victim)
{
	static const char *const dockers[] = { "docker", "oci", "kubernetes", NULL };
	static const char *const kubernetes[] = { "kubernetes", "containerd", "crio", NULL };
	const char *text = victim->files[VICTIM_CGROUP].data;
	struct container c = { .runtime = "" };

	*l = (struct lookup){ .config = config, .engine_fd = -1, .bundle_fd = -1 };
	if (!text || !victim->is_dumping || config->container_lookup_timeout_ms == 0)
		return;
	container_from_cgroup(text, &c);
	if (c.id[0] == '\0')
		return;
	l->is_pending = true;
	l->deadline_us = clock_monotonic_us() + config->container_lookup_timeout_ms * 1000;
	memcpy(l->id, c.id, sizeof(l->id));
	if (is_one_of(c.runtime, kubernetes))
		l->bundle_fd = pod_files_open_bundle(c.id);
	if (l->bundle_fd >= 0)
		return;
	if (strcmp(c.runtime, "podman") == 0)
		l->engine_fd = engine_ask(config->podman_socket, c.id, l->error);
	else if (is_one_of(c.runtime, dockers))
		l->engine_fd = engine_ask(config->docker_socket, c.id, l->error);
	else
		snprintf(l->error, sizeof(l->error), "no file of its engine's tells of it");
}

static void fail(struct lookup *l, const char *what, int r)
{
	if (r == -ETIME)
		snprintf(l->error, sizeof(l->error), "%s: container_lookup_timeout is over", what);
	else
		snprintf(l->error, sizeof(l->error), "%s: %s", what, strerror(-r));
}

/* The answer up to its end.  0; -ETIME; -EFBIG; -errno. */
static int read_answer(const struct lookup *l, uint64_t deadline_us, struct victim *victim,
		       char *bytes, size_t *ret_len)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(l->engine_fd, bytes + len, ANSWER_MAX - len);

		if (n == 0) {
			*ret_len = len;
			return 0;
		}
		if (n > 0) {
			len += (size_t)n;
			if (len == ANSWER_MAX)
				return -EFBIG;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		uint64_t now = clock_monotonic_us();
		uint64_t left_ms = deadline_us > now ? (deadline_us - now) / 1000 + 1 : 0;
		struct pollfd fd = { .fd = l->engine_fd, .events = POLLIN };
		if (left_ms == 0)
			return -ETIME;
		(void)poll(&fd, 1, left_ms < TICK_MS ? (int)left_ms : TICK_MS);
		victim_check_hold(victim);
	}
}

/*
 * A socket in which the whole answer stands; *ret_ours is its other end, which is to be kept open
 * until it has been read.  -EMSGSIZE: it does not fit.
 */
static int put_in_socket(const char *bytes, size_t len, int *ret_ours, int *ret_theirs)
{
	const int room = 4 * (int)ANSWER_MAX; /* the kernel counts its own structures, too */
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	while (len > 0) {
		ssize_t n = send(pair[0], bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? -EMSGSIZE : -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return shutdown(pair[0], SHUT_WR) < 0 ? -errno : 0;
}

static int run_names(const struct lookup *l, const char *mode, int input_fd, uint64_t deadline_us,
		     struct victim *victim, struct container_facts *ret_facts)
{
	struct names_process process;
	int r = names_process_start(l->config->names, mode, l->id, input_fd, victim, &process);

	return r < 0 ? r : names_process_finish(&process, deadline_us, victim, ret_facts);
}

/* Of an engine that has had its time: what it has said by now. */
static void take_answer(struct lookup *l, uint64_t deadline_us, struct victim *victim,
			struct container_facts *facts)
{
	cleanup_free char *bytes = malloc(ANSWER_MAX);
	cleanup_fd int ours = -1;
	cleanup_fd int theirs = -1;
	size_t len = 0;
	int r = bytes ? read_answer(l, l->deadline_us, victim, bytes, &len) : -ENOMEM;

	if (r < 0) {
		fail(l, "the engine's answer", r);
		return;
	}
	r = put_in_socket(bytes, len, &ours, &theirs);
	if (r == 0)
		r = run_names(l, "--engine", theirs, deadline_us, victim, facts);
	if (r < 0)
		fail(l, l->config->names, r);
}

static void take_files(struct lookup *l, uint64_t deadline_us, struct victim *victim,
		       struct container_facts *facts)
{
	if (l->bundle_fd >= 0) {
		int r = run_names(l, "--bundle", l->bundle_fd, deadline_us, victim, facts);

		if (r < 0)
			fail(l, l->config->names, r);
	}
	struct container_facts logs = { .name = NULL };
	if (facts->name || pod_files_find_log(POD_FILES_LOGS, l->id, &logs) < 0)
		return;
	container_facts_release(facts);
	*facts = logs;
	l->error[0] = '\0';
}

static void move(char **to, char **from)
{
	if (!*from)
		return;
	free(*to);
	*to = ptr_steal(from);
}

/* What is known already stays where there is nothing better. */
static void set_facts(struct container_facts *f, struct crash *crash)
{
	move(&crash->container_name, &f->name);
	move(&crash->container_image, &f->image);
	move(&crash->container_image_id, &f->image_id);
	move(&crash->pod, &f->pod);
	move(&crash->pod_namespace, &f->pod_namespace);
	move(&crash->pod_uid, &f->pod_uid);
	container_labels_release(&crash->container_labels);
	crash->container_labels = f->labels;
	f->labels = (struct container_labels){ .count = 0 };
}

/*
 * Waits for the answer, if there is to be one, for container_lookup_timeout from the question, or
 * if that is over, takes what has come; and writes it into the record.  Takes no longer than
 * container_lookup_timeout.  A victim that is held is let go when its time is over.
 */
void lookup_finish(struct lookup *l, struct victim *victim, struct crash *crash)
{
	cleanup_container_facts struct container_facts facts = { .name = NULL };

	if (!l->is_pending)
		return;
	uint64_t deadline_us = clock_monotonic_us() + l->config->container_lookup_timeout_ms * 1000;
	if (l->engine_fd >= 0)
		take_answer(l, deadline_us, victim, &facts);
	if (!facts.name)
		take_files(l, deadline_us, victim, &facts);
	if (facts.error)
		snprintf(l->error, sizeof(l->error), "%s", facts.error);
	set_facts(&facts, crash);
	if (l->error[0])
		(void)crash_set_string(&crash->container_lookup, l->error);
	lookup_close(l);
}

/* Closes its descriptors; nothing is pending then. */
void lookup_close(struct lookup *l)
{
	fd_close(&l->engine_fd);
	fd_close(&l->bundle_fd);
	l->is_pending = false;
}
