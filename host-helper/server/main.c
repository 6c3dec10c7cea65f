// SPDX-License-Identifier: MIT
/*
 * coreferryd: serves and receives cores over HTTP.
 *
 * What needs rights (the port, the directories) is opened first; then they are given up for good,
 * and only then is anything read that somebody else wrote.  It never runs as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "limits.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "privileges.h"
#include "receive-directory.h"
#include "receive-quota.h"
#include "receive.h"
#include "request.h"
#include "server.h"
#include "store-index.h"
#include "tokens.h"
#include "tus-finish.h"
#include "unpack-turns.h"
#include "waiters.h"

/* --- the start, step by step; each returns EX_OK, or has said what is wrong --- */

static int choose_address(const struct options *options, const struct config *config,
			  union listen_address *ret_address)
{
	const char *text = options->listen ? options->listen : config->listen;
	int r = text ? listen_parse(text, ret_address) : listen_default(ret_address);

	if (r == 0)
		return EX_OK;
	if (text)
		log_error("%s %s: not an address; wants ADDR:PORT such as 10.0.3.1:8042, "
			  "[fd00::1]:8042, or 0.0.0.0:8042 for all",
			  options->listen ? "--listen" : "listen =", text);
	else if (r == -EINVAL)
		log_error(LISTEN_HOST_VAR
			  " is not an address; correct it, or say --listen ADDR:PORT");
	else if (r == -ENODEV)
		log_error("there is no bridge " LISTEN_BRIDGE
			  " with an IPv4 address to listen on; say "
			  "where with --listen ADDR:PORT, listen = in the configuration, "
			  "or " LISTEN_HOST_VAR " in the environment");
	else
		log_error("the addresses of this machine cannot be listed: %s", strerror(-r));
	if (text && !options->listen)
		return EX_CONFIG;
	return r == -EINVAL ? EX_USAGE : EX_UNAVAILABLE;
}

static int open_socket(const union listen_address *address, int *ret_fd)
{
	char text[LISTEN_TEXT_SIZE];
	int r = listen_open(address, ret_fd);

	listen_format(&address->any, text);
	switch (r) {
	case 0:
		return EX_OK;
	case -EADDRINUSE:
		log_error("%s: port already taken: 'ss -ltnp' shows by whom (another coreferryd?); "
			  "choose another one with --listen ADDR:PORT",
			  text);
		return EX_UNAVAILABLE;
	case -EADDRNOTAVAIL:
		log_error(
			"%s: this machine does not have that address ('ip address' lists its own); "
			"choose one with --listen ADDR:PORT",
			text);
		return EX_UNAVAILABLE;
	case -EACCES:
		log_error("%s: not permitted: ports below 1024 need root (it is given up then); "
			  "choose "
			  "another one with --listen ADDR:PORT",
			  text);
		return EX_NOPERM;
	default:
		log_error("%s: cannot listen: %s", text, strerror(-r));
		return EX_OSERR;
	}
}

static int choose_user(const char *text, struct privileges_user *user, bool *ret_change)
{
	const char *name = text ? text : PRIVILEGES_USER_DEFAULT;
	bool is_root = geteuid() == 0 || getuid() == 0;

	*ret_change = false;
	if (!is_root && !text)
		return EX_OK;
	int r = privileges_find(name, user);
	if (r == 0 && !is_root && user->uid != getuid()) {
		log_error("--user %s: only root can become another user; start it as that one",
			  name);
		return EX_NOPERM;
	}
	*ret_change = r == 0 && is_root;
	if (r == 0)
		return EX_OK;
	if (r == -ENOENT)
		log_error("user %s: does not exist, and the server does not run as root; make it "
			  "with "
			  "systemd-sysusers or 'useradd --system coreferry', or name another one "
			  "with "
			  "--user NAME or --user UID:GID",
			  name);
	else if (r == -EPERM)
		log_error("--user %s: root, or its group, which the server never runs as; name "
			  "another one",
			  name);
	else if (r == -EINVAL || r == -ERANGE)
		log_error("--user %s: neither a name nor UID or UID:GID", name);
	else
		log_error("user %s: cannot be looked up: %s", name, strerror(-r));
	return r == -EINVAL || r == -ERANGE ? EX_USAGE : EX_NOUSER;
}

static int open_store(const char *path, struct store *ret_store)
{
	int r = store_open(path, false, ret_store);

	if (r == 0)
		return EX_OK;
	if (r == -ENOENT || r == -ENOTDIR)
		log_error("store %s: there is none (no %s/crashes); 'coreferry register' makes it, "
			  "or "
			  "name another one with --store DIR",
			  path, path);
	else
		log_error("store %s: cannot be opened: %s", path, strerror(-r));
	return EX_NOINPUT;
}

static int open_received(const char *path, struct store *ret_received)
{
	int r = receive_open(path, ret_received);

	if (r == 0)
		return EX_OK;
	if (r == -ENOENT || r == -ENOTDIR)
		log_error(
			"--receive %s: there is no such directory; make it, for the server's user",
			path);
	else if (r == -EPERM)
		log_error("--receive %s: everybody can write there; chmod o-w it", path);
	else if (r == -EWOULDBLOCK)
		log_error("--receive %s: another coreferryd receives into it", path);
	else
		log_error("--receive %s: cannot be opened: %s", path, strerror(-r));
	return EX_CANTCREAT;
}

static int open_directories(const struct options *options, struct server *server)
{
	const char *path = options->store ? options->store : server->config.store;
	struct stat store, received;
	int r = EX_OK;

	server->receive = options->receive != NULL;
	server->pull = !server->receive || options->store;
	if (server->pull)
		r = open_store(path, &server->store);
	if (r == EX_OK && server->receive)
		r = open_received(options->receive, &server->received);
	if (r != EX_OK || !server->pull || !server->receive)
		return r;
	/* The helper's captures under way would look like uploads that were left over. */
	if (fstat(server->store.crashes_fd, &store) < 0 ||
	    fstat(server->received.crashes_fd, &received) < 0 ||
	    (store.st_dev == received.st_dev && store.st_ino == received.st_ino)) {
		log_error("--receive %s: that is the store's own directory; name another one",
			  options->receive);
		return EX_USAGE;
	}
	return EX_OK;
}

static int drop_privileges(const struct privileges_user *user)
{
	int r = privileges_drop(user);

	if (r == 0)
		return EX_OK;
	log_error("privileges cannot be given up: %s", strerror(-r));
	return EX_OSERR;
}

/* As the user that we are now: are the directories what they need to be? */
static int check_directories(const struct options *options, struct server *server)
{
	if (server->pull && faccessat(server->store.crashes_fd, ".", R_OK | X_OK, AT_EACCESS) < 0) {
		log_error("store %s: user %u, group %u cannot read it: %s; give it the group of "
			  "%s/crashes (%u), or choose with --user",
			  options->store ? options->store : server->config.store, geteuid(),
			  getegid(), strerror(errno),
			  options->store ? options->store : server->config.store,
			  server->store.gid);
		return EX_NOPERM;
	}
	int r = server->receive ? receive_prepare(&server->received, &server->uploads_fd) : 0;
	if (r == 0)
		return EX_OK;
	log_error(
		"--receive %s: user %u, group %u cannot write there: %s; chown it, or choose with "
		"--user",
		options->receive, geteuid(), getegid(), strerror(-r));
	return EX_CANTCREAT;
}

/* As the user that we are now, so that it can be read again later. */
static int load_tokens(const struct options *options, struct server *server)
{
	const char *path = options->tokens ? options->tokens : server->config.tokens_file;
	char error[TOKENS_ERROR_SIZE];

	if (!path || tokens_load(path, &server->tokens, error) == 0)
		return EX_OK;
	log_error("%s", error);
	return EX_CONFIG;
}

/* Gets descriptors for all connections that we allow; returns for how many they are enough. */
static unsigned raise_descriptors(void)
{
	const rlim_t wanted = LIMIT_CONNECTIONS * LIMIT_CONNECTION_FDS + LIMIT_OTHER_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return LIMIT_THREADS;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= wanted)
		return LIMIT_CONNECTIONS;
	rlim_t enough = limit.rlim_cur > LIMIT_OTHER_FDS
				? (limit.rlim_cur - LIMIT_OTHER_FDS) / LIMIT_CONNECTION_FDS
				: 0;
	return enough < LIMIT_THREADS ? LIMIT_THREADS : (unsigned)enough;
}

/* --- the run --- */

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

static struct MHD_Daemon *start_http(struct server *server, int fd)
{
	/* libmicrohttpd takes descriptors apart by worker, so each gets its share of the limit. */
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_THREAD_POOL_SIZE, LIMIT_THREADS, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, raise_descriptors(), NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT, LIMIT_CONNECTIONS_PER_IP, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, LIMIT_IDLE_S, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, LIMIT_CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed, server },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connections_notify,
		  &server->connections },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)request_keep_path, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	/* The logger comes first: it is for what is wrong with the others, too. */
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
					MHD_USE_ERROR_LOG,
				0, NULL, NULL, request_handle, server, MHD_OPTION_EXTERNAL_LOGGER,
				log_library, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static void log_start(const struct options *options, const struct server *server, int fd)
{
	union listen_address address = { 0 };
	socklen_t len = sizeof(address);
	char text[LISTEN_TEXT_SIZE];

	(void)getsockname(fd, &address.any, &len);
	listen_format(&address.any, text);
	log_info("listening on %s as user %u, group %u%s%s%s%s", text, geteuid(), getegid(),
		 server->pull ? "; serves " : "",
		 !server->pull	  ? ""
		 : options->store ? options->store
				  : server->config.store,
		 server->receive ? "; receives into " : "",
		 server->receive ? options->receive : "");
}

/* Nobody new is let in; who is in may end, for a while, or until a second signal. */
static void stop_http(struct MHD_Daemon *http, struct server *server, const sigset_t *signals)
{
	const struct timespec step = { 0, 20000000 };
	uint64_t until_ms = clock_monotonic_ms() + LIMIT_SHUTDOWN_MS;
	int fd = MHD_quiesce_daemon(http);

	waiters_stop(server->waiters);
	unpack_turns_stop(server->unpack_turns);
	if (server->tus_finish)
		tus_finish_stop(server->tus_finish);
	while (atomic_load(&server->requests) > 0 && clock_monotonic_ms() < until_ms)
		if (sigtimedwait(signals, NULL, &step) > 0)
			break;
	MHD_stop_daemon(http);
	fd_close(&fd);
}

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

static int run(const struct options *options, struct server *server, int *fd)
{
	sigset_t signals;
	int signal_number, r;

	/* Blocked in every thread: this one takes them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	r = connections_start(&server->connections);
	if (r == 0)
		r = waiters_start(&server->waiters);
	if (r == 0)
		r = unpack_turns_start(&server->unpack_turns);
	if (r == 0 && server->pull)
		r = store_index_start(&server->store, waiters_wake, server->waiters,
				      &server->index);
	if (r == 0 && server->receive)
		r = start_receiving(server);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EX_OSERR;
	}
	struct MHD_Daemon *http = start_http(server, *fd);
	if (!http) {
		log_error("the HTTP server cannot start: %s", strerror(errno));
		return EX_SOFTWARE;
	}
	log_start(options, server, *fd);
	*fd = -1; /* the daemon's, until it is quiesced */

	sigwait(&signals, &signal_number);
	log_info("ends: %s", signal_number == SIGTERM  ? "SIGTERM"
			     : signal_number == SIGINT ? "SIGINT"
						       : "SIGHUP");
	stop_http(http, server, &signals);
	store_index_stop(&server->index);
	unpack_turns_free(&server->unpack_turns);
	waiters_free(&server->waiters);
	if (server->tus_finish)
		tus_finish_free(&server->tus_finish);
	receive_quota_free(&server->quota);
	connections_stop(&server->connections);
	return EX_OK;
}

static int start(const struct options *options, struct server *server)
{
	union listen_address address;
	struct privileges_user user;
	cleanup_fd int fd = -1;
	bool change_user;
	int r;

	if ((r = choose_address(options, &server->config, &address)) != EX_OK ||
	    (r = choose_user(options->user, &user, &change_user)) != EX_OK ||
	    (r = open_directories(options, server)) != EX_OK ||
	    (r = open_socket(&address, &fd)) != EX_OK ||
	    (r = drop_privileges(change_user ? &user : NULL)) != EX_OK ||
	    (r = check_directories(options, server)) != EX_OK ||
	    (r = load_tokens(options, server)) != EX_OK)
		return r;
	return run(options, server, &fd);
}

int main(int argc, char *argv[])
{
	struct server server = { .store.crashes_fd = -1,
				 .received.crashes_fd = -1,
				 .uploads_fd = -1 };
	struct options options = { 0 };

	log_init("coreferryd", false);
	umask(027);
	/* Fixed, or glibc raises it and keeps every big buffer that there ever was at once. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	if (config_init(&server.config) < 0) {
		log_error("out of memory");
		return EX_OSERR;
	}
	int r = options_read(argc, argv, &options, &server.config);
	if (r < 0)
		r = start(&options, &server);
	store_close(&server.store);
	store_close(&server.received);
	fd_close(&server.uploads_fd);
	tokens_free(&server.tokens);
	config_release(&server.config);
	return r;
}
