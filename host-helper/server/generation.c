// SPDX-License-Identifier: MIT
/*
 * One server with one configuration: libmicrohttpd, a daemon for each listener, and the threads
 * beside it.
 *
 * It reads what the operator wrote as the server's own user, and nothing that a peer said.
 */
#include "generation.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "clock.h"
#include "fd.h"
#include "limits.h"
#include "log.h"
#include "receive-quota.h"
#include "request.h"
#include "store-index.h"
#include "tokens.h"
#include "tus-finish.h"
#include "unpack-turns.h"
#include "waiters.h"

#define DESCRIPTORS_WANTED (LIMIT_CONNECTIONS * LIMIT_CONNECTION_FDS + LIMIT_OTHER_FDS)

/* --- what the operator wrote --- */

static bool wants_tls(const struct base *base)
{
	for (size_t i = 0; i < base->listeners.count; i++)
		if (base->listeners.list[i].tls)
			return true;
	return false;
}

static int load_tokens(const struct base *base, struct server *server)
{
	const char *path = base->options.tokens ? base->options.tokens : server->config.tokens_file;
	char error[TOKENS_ERROR_SIZE];

	if (!path || tokens_load(path, &server->tokens, error) == 0)
		return EX_OK;
	log_error("%s", error);
	return EX_CONFIG;
}

static int load_tls(const struct base *base, struct generation *g)
{
	const struct options *options = &base->options;
	const struct config *config = &g->server.config;
	const char *certificate =
		options->tls_certificate ? options->tls_certificate : config->tls_certificate;
	const char *key = options->tls_key ? options->tls_key : config->tls_key;
	char error[TLS_ERROR_SIZE];

	if (!wants_tls(base))
		return EX_OK;
	if (!certificate || !key) {
		log_error("https:// wants a certificate and a key: tls_certificate and tls_key in "
			  "the configuration, or --tls-certificate and --tls-key");
		return EX_CONFIG;
	}
	if (tls_load(certificate, key, &g->tls, error) == 0)
		return EX_OK;
	log_error("%s", error);
	return EX_CONFIG;
}

/*
 * Reads configuration, tokens and certificates anew.  EX_OK, or it has said what is wrong; then
 * nothing else has changed.
 */
int generation_new(const struct base *base, struct generation **ret_generation)
{
	struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (!g || config_init(&g->server.config) < 0) {
		free(g);
		log_error("out of memory");
		return EX_OSERR;
	}
	g->server.pull = base->pull;
	g->server.store = base->store;
	g->server.receive = base->receive;
	g->server.received = base->received;
	g->server.received_path = base->received_path;
	g->server.uploads_fd = base->uploads_fd;
	g->server.exec_fd = base->exec_fd;
	if ((r = options_load_config(&base->options, &g->server.config)) != EX_OK ||
	    (r = load_tokens(base, &g->server)) != EX_OK || (r = load_tls(base, g)) != EX_OK) {
		generation_free(&g);
		return r;
	}
	*ret_generation = g;
	return EX_OK;
}

/* --- the threads beside libmicrohttpd's --- */

static int start_receiving(struct server *server)
{
	const struct config *config = &server->config;
	const struct receive_limits limits = {
		.use = config->receive_max_use,
		.use_each = config->receive_max_use_each,
		.cores = config->receive_max_cores,
		.cores_each = config->receive_max_cores_each,
	};
	int r = receive_quota_new(&server->received, server->uploads_fd, &limits, &server->quota);

	return r < 0 ? r : tus_finish_start(server, &server->tus_finish);
}

static int start_threads(struct server *server)
{
	int r = connections_start(&server->connections);

	if (r == 0)
		r = waiters_start(&server->waiters);
	if (r == 0)
		r = unpack_turns_start(&server->unpack_turns);
	if (r == 0 && server->pull)
		r = store_index_start(&server->store, waiters_wake, server->waiters,
				      &server->index);
	if (r == 0 && server->receive)
		r = start_receiving(server);
	return r;
}

/* Those that hold connections back let them go, and hold back none any more. */
void generation_stop_waiting(struct generation *g)
{
	if (g->has_stopped_waiting)
		return;
	g->has_stopped_waiting = true;
	if (g->server.waiters)
		waiters_stop(g->server.waiters);
	if (g->server.unpack_turns)
		unpack_turns_stop(g->server.unpack_turns);
	if (g->server.tus_finish)
		tus_finish_stop(g->server.tus_finish);
}

static void free_threads(struct server *server)
{
	store_index_stop(&server->index);
	if (server->unpack_turns)
		unpack_turns_free(&server->unpack_turns);
	if (server->waiters)
		waiters_free(&server->waiters);
	if (server->tus_finish)
		tus_finish_free(&server->tus_finish);
	receive_quota_free(&server->quota);
	connections_stop(&server->connections);
}

/* --- libmicrohttpd --- */

/* For all connections that we allow, if that may be; it is before the system calls are given up. */
void generation_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* For how many connections there are descriptors. */
static unsigned connections_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return LIMIT_THREADS;
	if (limit.rlim_cur >= DESCRIPTORS_WANTED)
		return LIMIT_CONNECTIONS;
	rlim_t enough = limit.rlim_cur > LIMIT_OTHER_FDS
				? (limit.rlim_cur - LIMIT_OTHER_FDS) / LIMIT_CONNECTION_FDS
				: 0;
	return enough < LIMIT_THREADS ? LIMIT_THREADS : (unsigned)enough;
}

/* What libmicrohttpd has to say is about peers that break off, so it is not let to flood the log.
 */
__attribute__((format(printf, 2, 0))) static void log_library(void *context, const char *format,
							      va_list args)
{
	static atomic_ullong last_ms;
	unsigned long long now_ms = clock_monotonic_ms();
	char text[256];

	(void)context;
	if (now_ms - atomic_exchange(&last_ms, now_ms) < 1000)
		return;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_warning("http: %s", text);
}

static struct MHD_Daemon *start_http(struct generation *g, int fd, bool tls, unsigned connections)
{
	unsigned flags =
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem secret[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, g->tls.certificate },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, g->tls.key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(intptr_t)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		/* libmicrohttpd takes descriptors apart by worker: each gets its share. */
		{ MHD_OPTION_THREAD_POOL_SIZE, LIMIT_THREADS, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, connections, NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT, LIMIT_CONNECTIONS_PER_IP, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, LIMIT_IDLE_S, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, LIMIT_CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed, &g->server },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connections_notify,
		  &g->server.connections },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)request_keep_path, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (tls)
		flags |= MHD_USE_TLS;
	else
		secret[0].option = MHD_OPTION_END;
	/* The logger comes first: it is for what is wrong with the others, too. */
	return MHD_start_daemon(flags, 0, NULL, NULL, request_handle, &g->server,
				MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_ARRAY,
				options, MHD_OPTION_ARRAY, secret, MHD_OPTION_END);
}

/* Starts it on copies of the base's sockets.  EX_OK, or it has said what is wrong: free it then. */
int generation_start(struct generation *g, const struct base *base)
{
	unsigned connections = connections_max() / (unsigned)base->listeners.count;
	int r = start_threads(&g->server);

	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EX_OSERR;
	}
	for (size_t i = 0; i < base->listeners.count; i++) {
		const struct listener *listener = &base->listeners.list[i];
		cleanup_fd int fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);

		g->http[i] = fd < 0 ? NULL
				    : start_http(g, fd, listener->tls,
						 connections < LIMIT_THREADS ? LIMIT_THREADS
									     : connections);
		if (!g->http[i]) {
			log_error("the HTTP server cannot start%s: %s",
				  listener->tls ? "; do the certificate and the key fit" : "",
				  strerror(errno));
			return EX_SOFTWARE;
		}
		(void)fd_steal(&fd); /* the daemon's, until it is quiesced */
		g->http_count++;
	}
	return EX_OK;
}

/* Nobody new comes in here; who is in may end. */
void generation_quiesce(struct generation *g)
{
	for (size_t i = 0; i < g->http_count; i++) {
		int fd = MHD_quiesce_daemon(g->http[i]);

		fd_close(&fd);
	}
	g->drain_until_ms = clock_monotonic_ms() + LIMIT_DRAIN_MS;
}

/* True if no request is under way (any more), or has had its time. */
bool generation_is_idle(struct generation *g)
{
	return atomic_load(&g->server.requests) == 0 || clock_monotonic_ms() >= g->drain_until_ms;
}

/* Ends it, with all connections that it still has, and frees it. */
void generation_free(struct generation **generation)
{
	struct generation *g = *generation;

	if (!g)
		return;
	if (g->server.connections.is_started) {
		generation_stop_waiting(g);
		for (size_t i = 0; i < g->http_count; i++)
			MHD_stop_daemon(g->http[i]);
		free_threads(&g->server);
	}
	tokens_free(&g->server.tokens);
	tls_release(&g->tls);
	config_release(&g->server.config);
	free(g);
	*generation = NULL;
}
