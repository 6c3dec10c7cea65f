// SPDX-License-Identifier: MIT
/*
 * The program that is started when a core has arrived: the server's side.
 *
 * What an upload said of its core is the peer's.  It reaches the program in its environment only,
 * percent-encoded, so that it is one word of visible ASCII whatever a script does with it.
 */
#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core-headers.h"
#include "fd.h"
#include "limits.h"

/*
 * Forks the process that starts argv (argv[0] an absolute path; both as the operator gave them).
 * Call it when privileges are given up, and before there are threads.  *ret_fd is for
 * exec_notify(); when it is closed the process ends, after what it has started.  0 or -errno.
 */
int exec_start(char *const argv[], int *ret_fd)
{
	const int size = LIMIT_EXEC_WAITING;
	int pair[2];

	if (access(argv[0], X_OK) < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pid_t pid = fork();
	if (pid == 0) {
		exec_run(pair[1], argv);
		_exit(0);
	}
	int error = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -error;
	}
	*ret_fd = pair[0];
	return 0;
}

struct message {
	char text[EXEC_MESSAGE_MAX];
	size_t len;
	bool is_full;
};

static void add(struct message *m, const char *name, const char *value)
{
	size_t left = sizeof(m->text) - m->len;
	int n = snprintf(m->text + m->len, left, "%s=%s", name, value);

	if (n < 0 || (size_t)n >= left)
		m->is_full = true;
	else
		m->len += (size_t)n + 1;
}

static int add_header(void *context, const char *name, const char *value)
{
	int header = core_header_find(name);

	/* A value that is too long is left out, as one that is not known. */
	if (header >= 0 && strlen(value) < EXEC_MESSAGE_MAX / 4)
		add(context, core_headers[header].variable, value);
	return 0;
}

/*
 * Tells that a crash has arrived in path/directory ("": path itself).  -EAGAIN: too many wait
 * already; -EPIPE: the process is gone; -EMSGSIZE; -errno.
 */
int exec_notify(int fd, const char *path, const char *directory, const struct crash *crash)
{
	struct message m = { .len = 0 };
	char place[4096];

	snprintf(place, sizeof(place), "%s%s%s/%s", path, *directory ? "/" : "", directory,
		 crash->id);
	add(&m, "CORE_PATH", place);
	add(&m, "CORE_DIRECTORY", directory);
	int r = core_headers_for_each(crash, add_header, &m);
	if (r < 0 || m.is_full)
		return r < 0 ? r : -EMSGSIZE;
	return send(fd, m.text, m.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
