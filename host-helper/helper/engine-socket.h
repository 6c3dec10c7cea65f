/* SPDX-License-Identifier: MIT */
/*
 * The socket of a container engine of the host's: Docker's, or podman's, which speaks the same.
 */
#pragma once

#include <stddef.h>

#define ENGINE_ERROR_SIZE 256

int engine_ask(const char *path, const char *id, char error[ENGINE_ERROR_SIZE]);
