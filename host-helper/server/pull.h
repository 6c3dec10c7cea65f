/* SPDX-License-Identifier: MIT */
/*
 * The pull: which crash a client means when it asks for "the core", and the answer.
 */
#pragma once

#include <microhttpd.h>

#include "core-reader.h"
#include "crash.h"
#include "server.h"

struct request;

enum pull_result {
	PULL_FOUND,
	PULL_PENDING, /* none, but one is being captured */
	PULL_NONE,
};

int pull_find(const struct server *server, struct crash *ret_crash,
	      struct core_reader **ret_reader);
int pull_probe(const struct server *server);
enum MHD_Result pull_send(struct request *request, const struct crash *crash,
			  struct core_reader **reader);
