/* SPDX-License-Identifier: MIT */
/*
 * What coreferry-names can no longer do when it reads its first byte: almost anything.
 */
#pragma once

#include <sys/types.h>

int confine_names(pid_t parent);
