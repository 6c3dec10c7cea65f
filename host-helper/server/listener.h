/* SPDX-License-Identifier: MIT */
/*
 * Where the server listens, all of it: addresses, with TLS or without, Unix sockets, and what
 * systemd hands over.
 *
 * listener_parse() and listener_parse_passed() are pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#include "listen.h"

#define LISTENERS_MAX	    16
#define LISTENER_ERROR_SIZE 384
#define LISTENER_GROUP_SIZE 64
/* The first descriptor that systemd passes.  See: sd_listen_fds(3). */
#define LISTENER_PASSED_FIRST 3

struct listener {
	bool tls;
	bool is_unix;
	union listen_address address;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	mode_t mode;
	char group[LISTENER_GROUP_SIZE]; /* "": the server's own */
	int fd;
};

struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t count;
};

int listener_parse(const char *text, struct listener *ret_listener);
int listener_parse_passed(const char *pid, const char *fds, pid_t self, unsigned *ret_count);

int listeners_add(struct listeners *listeners, const char *texts, char error[LISTENER_ERROR_SIZE]);
int listeners_add_passed(struct listeners *listeners, char error[LISTENER_ERROR_SIZE]);
int listener_open_unix(struct listener *listener, gid_t gid);
void listener_format(const struct listener *listener, char *text, size_t size);
void listeners_close(struct listeners *listeners);
