/* SPDX-License-Identifier: MIT */
/*
 * The confined process in which the victim's bytes are handled.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define SANDBOX_FDS_MAX 8

int sandbox_enter(int *const fds[], size_t count, pid_t parent);
