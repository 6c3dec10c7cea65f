/* SPDX-License-Identifier: MIT */
/*
 * Giving up all rights, for the rest of the process's life.
 */
#pragma once

#include <sys/types.h>

int drop_all(pid_t parent);
