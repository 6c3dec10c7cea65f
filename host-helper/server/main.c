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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "exec.h"
#include "fd.h"
#include "generation.h"
#include "log.h"
#include "privileges.h"
#include "receive-directory.h"
#include "run.h"

/* --- the start, step by step; each returns EX_OK, or has said what is wrong --- */

/* Where testenv's clients look for us, when nothing else was said. */
static int add_default(struct listeners *listeners)
{
	struct listener *listener = &listeners->list[0];

	*listener = (struct listener){ .fd = -1 };
	int r = listen_default(&listener->address);
	if (r == 0)
		listeners->count = 1;
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
	return r == 0 ? EX_OK : r == -EINVAL ? EX_USAGE : EX_UNAVAILABLE;
}

static int choose_listeners(const struct options *options, const struct config *config,
			    struct listeners *listeners)
{
	char error[LISTENER_ERROR_SIZE] = "out of memory";

	if (listeners_add_passed(listeners, error) < 0) {
		log_error("%s", error);
		return EX_OSERR;
	}
	for (size_t i = 0; options->listen[i]; i++)
		if (listeners_add(listeners, options->listen[i], error) < 0) {
			log_error("--listen %s", error);
			return EX_USAGE;
		}
	if (!options->listen[0] && config->listen &&
	    listeners_add(listeners, config->listen, error) < 0) {
		log_error("listen = %s", error);
		return EX_CONFIG;
	}
	return listeners->count > 0 ? EX_OK : add_default(listeners);
}

static int open_address(struct listener *listener)
{
	char text[LISTEN_TEXT_SIZE];
	int r = listen_open(&listener->address, &listener->fd);

	listen_format(&listener->address.any, text);
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

static int open_unix(struct listener *listener, gid_t gid)
{
	int r = listener_open_unix(listener, gid);

	if (r == 0)
		return EX_OK;
	if (r == -EADDRINUSE)
		log_error("unix:%s: somebody listens there already, or it is no socket",
			  listener->path);
	else if (r == -ENOENT && listener->group[0])
		log_error("unix:%s: there is no group %s, or no such directory", listener->path,
			  listener->group);
	else
		log_error("unix:%s: cannot listen: %s", listener->path, strerror(-r));
	return r == -EADDRINUSE ? EX_UNAVAILABLE : r == -EACCES ? EX_NOPERM : EX_OSERR;
}

/* gid: whom a Unix socket is for, unless it says another group. */
static int open_sockets(struct listeners *listeners, gid_t gid)
{
	int r = EX_OK;

	for (size_t i = 0; i < listeners->count && r == EX_OK; i++) {
		struct listener *listener = &listeners->list[i];

		if (listener->fd >= 0)
			continue;
		r = listener->is_unix ? open_unix(listener, gid) : open_address(listener);
	}
	return r;
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

static int open_directories(const struct options *options, const struct config *config,
			    struct base *base)
{
	const char *path = options->store ? options->store : config->store;
	const char *receive = options->receive ? options->receive : config->receive;
	struct stat store, received;
	int r = EX_OK;

	base->receive = receive != NULL;
	/* One that only receives is a job's own; that of a host does both. */
	base->pull = !options->receive || options->store;
	if (base->pull) {
		base->store_path = strdup(path);
		r = base->store_path ? open_store(path, &base->store) : EX_OSERR;
	}
	if (r == EX_OK && receive)
		r = open_received(receive, &base->received);
	if (r == EX_OK && receive && !(base->received_path = realpath(receive, NULL))) {
		log_error("--receive %s: %s", receive, strerror(errno));
		r = EX_CANTCREAT;
	}
	if (r != EX_OK || !base->pull || !receive)
		return r;
	/* The helper's captures under way would look like uploads that were left over. */
	if (fstat(base->store.crashes_fd, &store) < 0 ||
	    fstat(base->received.crashes_fd, &received) < 0 ||
	    (store.st_dev == received.st_dev && store.st_ino == received.st_ino)) {
		log_error("--receive %s: that is the store's own directory; name another one",
			  receive);
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
static int check_directories(const struct options *options, const struct config *config,
			     struct base *base)
{
	const char *store = options->store ? options->store : config->store;

	if (base->pull && faccessat(base->store.crashes_fd, ".", R_OK | X_OK, AT_EACCESS) < 0) {
		log_error("store %s: user %u, group %u cannot read it: %s; give it the group of "
			  "%s/crashes (%u), or choose with --user",
			  store, geteuid(), getegid(), strerror(errno), store, base->store.gid);
		return EX_NOPERM;
	}
	int r = base->receive ? receive_prepare(&base->received, &base->uploads_fd) : 0;
	if (r == 0)
		return EX_OK;
	log_error(
		"--receive %s: user %u, group %u cannot write there: %s; chown it, or choose with "
		"--user",
		base->received_path, geteuid(), getegid(), strerror(-r));
	return EX_CANTCREAT;
}

#define EXEC_WORDS_MAX 32

/* Forks the process that starts what --exec or the configuration names. */
static int start_exec(const struct options *options, const struct config *config, struct base *base)
{
	cleanup_free char *copy = config->receive_exec ? strdup(config->receive_exec) : NULL;
	char *words[EXEC_WORDS_MAX + 1] = { NULL }, *save = NULL, **argv = options->exec;
	size_t count = 0;

	if (!base->receive || (!argv && !config->receive_exec))
		return EX_OK;
	for (char *word = argv || !copy ? NULL : strtok_r(copy, " \t", &save);
	     word && count < EXEC_WORDS_MAX; word = strtok_r(NULL, " \t", &save))
		words[count++] = word;
	if (!argv)
		argv = words;
	if (!argv[0] || argv[0][0] != '/') {
		log_error("--exec %s: wants an absolute path", argv[0] ? argv[0] : "");
		return EX_USAGE;
	}
	int r = exec_start(argv, &base->exec_fd);
	if (r == 0)
		return EX_OK;
	log_error("--exec %s: cannot be started: %s", argv[0], strerror(-r));
	return EX_NOINPUT;
}

static int start(struct base *base)
{
	const struct options *options = &base->options;
	struct privileges_user user = { getuid(), getgid() };
	struct config config;
	bool change_user;
	int r;

	if (config_init(&config) < 0) {
		log_error("out of memory");
		return EX_OSERR;
	}
	if ((r = options_load_config(options, &config)) == EX_OK &&
	    (r = choose_listeners(options, &config, &base->listeners)) == EX_OK &&
	    (r = choose_user(options->user, &user, &change_user)) == EX_OK &&
	    (r = open_directories(options, &config, base)) == EX_OK &&
	    (r = open_sockets(&base->listeners, user.gid)) == EX_OK &&
	    (r = drop_privileges(change_user ? &user : NULL)) == EX_OK &&
	    (r = check_directories(options, &config, base)) == EX_OK)
		r = start_exec(options, &config, base);
	config_release(&config);
	return r == EX_OK ? run(base) : r;
}

int main(int argc, char *argv[])
{
	struct base base = {
		.store.crashes_fd = -1, .received.crashes_fd = -1, .uploads_fd = -1, .exec_fd = -1
	};

	log_init("coreferryd", false);
	umask(027);
	/* Fixed, or glibc raises it and keeps every big buffer that there ever was at once. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	/* One arena for each worker would keep as much as each of them ever needed at once. */
	mallopt(M_ARENA_MAX, 2);
	int r = options_read(argc, argv, &base.options);
	if (r < 0)
		r = start(&base);
	listeners_close(&base.listeners);
	store_close(&base.store);
	store_close(&base.received);
	fd_close(&base.uploads_fd);
	fd_close(&base.exec_fd);
	free(base.received_path);
	free(base.store_path);
	return r;
}
