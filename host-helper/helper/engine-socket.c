// SPDX-License-Identifier: MIT
/*
 * Asking a container engine of the host's: it must be root's in every sense, for what it answers
 * becomes what the host's rules go by.
 *
 * The question holds nothing of the victim's but 64 hexadecimal digits.  Nothing is waited for: an
 * engine that is too busy to take a connection is not asked.
 */
#include "engine-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "text.h"

static int fail(char error[ENGINE_ERROR_SIZE], const char *path, const char *why)
{
	snprintf(error, ENGINE_ERROR_SIZE, "%s: %s", path, why);
	return -EPERM;
}

/* The socket itself, so that what is looked at is what is connected to. */
static int open_socket(const char *path, char error[ENGINE_ERROR_SIZE])
{
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(error, path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(error, path, "not a socket");
	if (st.st_uid != 0)
		return fail(error, path, "not root's");
	return fd_steal(&fd);
}

/* By the kernel's word, of who was listening there first. See: unix(7), SO_PEERCRED. */
static bool is_roots(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == 0;
}

/*
 * Asks the engine that listens at path about a container; id: 64 hexadecimal digits.  Returns a
 * descriptor from which its answer can be read until the end, without waiting; or a negative
 * number, and error tells why.
 */
int engine_ask(const char *path, const char *id, char error[ENGINE_ERROR_SIZE])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char question[256];
	cleanup_fd int at = open_socket(path, error);

	if (at < 0)
		return at;
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", at);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return fail(error, path,
			    errno == EAGAIN ? "the engine takes no more connections"
					    : strerror(errno));
	if (!is_roots(fd))
		return fail(error, path, "who listens there is not root");
	/* Without a version: each engine answers in its newest, and the fields are in all. */
	int len = snprintf(question, sizeof(question),
			   "GET /containers/%.64s/json HTTP/1.1\r\n"
			   "Host: localhost\r\n"
			   "User-Agent: coreferry\r\n"
			   "Connection: close\r\n"
			   "\r\n",
			   id);
	if (send(fd, question, (size_t)len, MSG_NOSIGNAL) != len)
		return fail(error, path, "the question could not be sent");
	return fd_steal(&fd);
}
