/* SPDX-License-Identifier: MIT */
/*
 * The pull: which crash a client means when it asks for "the core".
 */
#pragma once

#include "crash.h"
#include "server.h"
#include "visibility.h"

enum pull_result {
	PULL_FOUND,
	PULL_PENDING, /* none, but one is being captured */
	PULL_NONE,
};

int pull_find(const struct server *server, const struct visibility *visibility, int *ret_dirfd,
	      struct crash *ret_crash);
