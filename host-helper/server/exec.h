/* SPDX-License-Identifier: MIT */
/*
 * The program that is started when a core has arrived (--exec).
 *
 * The server itself cannot start anything: a small process does, which was forked before the server
 * opened its doors, and which hears nothing but what exec_notify() says.
 */
#pragma once

#include "crash.h"

/* A message: "NAME=VALUE" texts, each with its NUL, the crash's id in front. */
#define EXEC_MESSAGE_MAX 8192

int exec_start(char *const argv[], int *ret_fd);
int exec_notify(int fd, const char *path, const char *directory, const struct crash *crash);
void exec_run(int fd, char *const argv[]);
