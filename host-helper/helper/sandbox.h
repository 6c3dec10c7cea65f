/* SPDX-License-Identifier: MIT */
/*
 * The confined process in which the victim's bytes are handled.
 */
#pragma once

#include <sys/types.h>

int sandbox_enter(int *fd, pid_t parent);
