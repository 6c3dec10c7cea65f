/* SPDX-License-Identifier: MIT */
/*
 * The core as a file in the container's own /tmp, where nothing else could be done with it.
 */
#pragma once

int fallback_core_write(int core_fd, const char *path);
