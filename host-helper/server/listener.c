// SPDX-License-Identifier: MIT
/*
 * Where the server listens, all of it.
 *
 * The texts are the operator's, the descriptors and their environment systemd's.  All sockets are
 * made here, while the server may still have rights, and none later.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "parse.h"

#define BACKLOG	     512
#define MODE_DEFAULT 0660
#define PREFIX_UNIX  "unix:"
#define PREFIX_HTTP  "http://"
#define PREFIX_HTTPS "https://"

/* --- texts --- */

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int parse_mode(const char *text, mode_t *ret_mode)
{
	mode_t mode = 0;

	if (strlen(text) < 3 || strlen(text) > 4 || strspn(text, "01234567") != strlen(text))
		return -EINVAL;
	for (; *text; text++)
		mode = mode << 3 | (mode_t)(*text - '0');
	/* Whoever may connect may write; nothing else means anything for a socket. */
	if (mode & ~0666U)
		return -EINVAL;
	*ret_mode = mode;
	return 0;
}

/* "/PATH[,mode=0660][,group=NAME]" */
static int parse_unix(const char *text, struct listener *listener)
{
	size_t len = strcspn(text, ",");
	const char *rest = text + len;

	if (text[0] != '/' || len < 2 || len >= sizeof(listener->path) || text[len - 1] == '/')
		return -EINVAL;
	memcpy(listener->path, text, len);
	listener->is_unix = true;
	listener->mode = MODE_DEFAULT;
	while (*rest == ',') {
		char word[LISTENER_GROUP_SIZE + sizeof("group=")];

		len = strcspn(++rest, ",");
		if (len >= sizeof(word))
			return -EINVAL;
		memcpy(word, rest, len);
		word[len] = '\0';
		rest += len;
		if (has_prefix(word, "mode=")) {
			if (parse_mode(word + 5, &listener->mode) < 0)
				return -EINVAL;
		} else if (has_prefix(word, "group=") && word[6] &&
			   strlen(word + 6) < sizeof(listener->group)) {
			memcpy(listener->group, word + 6, strlen(word + 6) + 1);
		} else {
			return -EINVAL;
		}
	}
	return 0;
}

/*
 * Reads "ADDR:PORT", "http://ADDR:PORT" (the same), "https://ADDR:PORT" or
 * "unix:/PATH[,mode=0660][,group=NAME]".  -EINVAL: something else.
 */
int listener_parse(const char *text, struct listener *ret_listener)
{
	struct listener listener = { .fd = -1 };
	int r;

	if (has_prefix(text, PREFIX_UNIX)) {
		r = parse_unix(text + strlen(PREFIX_UNIX), &listener);
	} else {
		if (has_prefix(text, PREFIX_HTTPS)) {
			listener.tls = true;
			text += strlen(PREFIX_HTTPS);
		} else if (has_prefix(text, PREFIX_HTTP)) {
			text += strlen(PREFIX_HTTP);
		}
		r = listen_parse(text, &listener.address);
	}
	if (r == 0)
		*ret_listener = listener;
	return r;
}

/*
 * How many descriptors LISTEN_PID and LISTEN_FDS say that were passed to the process `self`: 0
 * where they are not set, or are another's.  -EINVAL: not numbers; -E2BIG: too many.
 */
int listener_parse_passed(const char *pid, const char *fds, pid_t self, unsigned *ret_count)
{
	uint64_t number, count;

	*ret_count = 0;
	if (!pid || !fds)
		return 0;
	if (parse_u64(pid, INT32_MAX, &number) < 0 || parse_u64(fds, INT32_MAX, &count) < 0)
		return -EINVAL;
	if (number != (uint64_t)self)
		return 0;
	if (count > LISTENERS_MAX)
		return -E2BIG;
	*ret_count = (unsigned)count;
	return 0;
}

/* --- the list --- */

/* Adds each of the words. 0; negative: `error` tells which is wrong. */
int listeners_add(struct listeners *listeners, const char *texts, char error[LISTENER_ERROR_SIZE])
{
	cleanup_free char *copy = strdup(texts);
	char *save = NULL;

	for (char *word = copy ? strtok_r(copy, " \t", &save) : NULL; word;
	     word = strtok_r(NULL, " \t", &save)) {
		if (listeners->count == LISTENERS_MAX) {
			snprintf(error, LISTENER_ERROR_SIZE, "at most %d places to listen",
				 LISTENERS_MAX);
			return -E2BIG;
		}
		if (listener_parse(word, &listeners->list[listeners->count]) < 0) {
			snprintf(error, LISTENER_ERROR_SIZE,
				 "%.100s: not an address; wants ADDR:PORT such as 10.0.3.1:8042, "
				 "[fd00::1]:8042, or 0.0.0.0:8042 for all; https://ADDR:PORT; or "
				 "unix:/PATH[,mode=0660][,group=NAME]",
				 word);
			return -EINVAL;
		}
		listeners->count++;
	}
	return copy ? 0 : -ENOMEM;
}

/* True for a stream socket that listens: nothing else can be served. */
static bool is_listening(int fd)
{
	int type = 0, listening = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return false;
	len = sizeof(listening);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static int take_passed(int fd, const char *name, struct listener *listener)
{
	socklen_t len = sizeof(listener->address);
	int flags = fcntl(fd, F_GETFL);

	*listener = (struct listener){ .fd = fd, .tls = strncmp(name, "https", 5) == 0 };
	if (!is_listening(fd) || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || getsockname(fd, &listener->address.any, &len) < 0)
		return -ENOTSOCK;
	listener->is_unix = listener->address.any.sa_family == AF_UNIX;
	return 0;
}

/*
 * Adds what systemd passed; a socket whose FileDescriptorName= begins with "https" is one with TLS.
 * 0; negative: `error` tells why.
 */
int listeners_add_passed(struct listeners *listeners, char error[LISTENER_ERROR_SIZE])
{
	const char *names = getenv("LISTEN_FDNAMES");
	cleanup_free char *copy = strdup(names ? names : "");
	char *rest = copy;
	unsigned count;
	int r = listener_parse_passed(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getpid(), &count);

	if (r < 0 || !copy) {
		snprintf(error, LISTENER_ERROR_SIZE, "$LISTEN_PID, $LISTEN_FDS: %s",
			 strerror(r < 0 ? -r : ENOMEM));
		return r < 0 ? r : -ENOMEM;
	}
	for (unsigned i = 0; i < count && listeners->count < LISTENERS_MAX; i++) {
		const char *name = rest ? strsep(&rest, ":") : "";

		r = take_passed(LISTENER_PASSED_FIRST + (int)i, name,
				&listeners->list[listeners->count]);
		if (r < 0) {
			snprintf(error, LISTENER_ERROR_SIZE,
				 "descriptor %d of the service manager is not a listening stream "
				 "socket; the socket unit wants Accept=no and ListenStream=",
				 LISTENER_PASSED_FIRST + (int)i);
			return r;
		}
		listeners->count++;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

/* --- Unix sockets --- */

/* Removes a socket that nobody listens on any more. -EADDRINUSE: somebody does, or it is no socket.
 */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) || connect(fd, (const void *)address, sizeof(*address)) == 0 ||
	    errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int find_group(const char *name, gid_t *gid)
{
	errno = 0;
	const struct group *entry = getgrnam(name);

	if (!entry)
		return errno ? -errno : -ENOENT;
	*gid = entry->gr_gid;
	return 0;
}

/*
 * Makes the socket, for the mode and group that it wants, or for gid.  Nobody can connect before
 * these are right.  -ENOENT: no such group, or directory; -EADDRINUSE; -errno.
 */
int listener_open_unix(struct listener *listener, gid_t gid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_fd int fd = -1;

	memcpy(address.sun_path, listener->path, sizeof(address.sun_path));
	int r = listener->group[0] ? find_group(listener->group, &gid) : 0;
	if (r == 0)
		r = remove_stale(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0777);
	if (fd < 0 || bind(fd, (const void *)&address, sizeof(address)) < 0)
		r = -errno;
	umask(mask);
	/* The directory is the operator's, so nobody has put a link in its place. */
	if (r == 0 && gid != getegid() && lchown(address.sun_path, (uid_t)-1, gid) < 0)
		r = -errno;
	if (r == 0 && (chmod(address.sun_path, listener->mode) < 0 || listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r < 0)
		return r;
	listener->fd = fd_steal(&fd);
	return 0;
}

/* Writes where it listens as the log tells it. */
void listener_format(const struct listener *listener, char *text, size_t size)
{
	union listen_address address = { 0 };
	socklen_t len = sizeof(address);
	char where[LISTEN_TEXT_SIZE];

	if (listener->is_unix) {
		snprintf(text, size, PREFIX_UNIX "%s", listener->path);
		return;
	}
	(void)getsockname(listener->fd, &address.any, &len);
	listen_format(&address.any, where);
	snprintf(text, size, "%s%s", listener->tls ? PREFIX_HTTPS : "", where);
}

/* Closes all. */
void listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		fd_close(&listeners->list[i].fd);
	listeners->count = 0;
}
