/* SPDX-License-Identifier: MIT */
/*
 * What the victim's container is called: asked of its engine while the victim is held, beside the
 * capture.
 *
 * Asking does not wait.  The answer is read by coreferry-names, which has no rights; here its bytes
 * are only passed on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "container.h"
#include "crash.h"
#include "engine-socket.h"
#include "victim.h"

struct lookup {
	bool is_pending; /* to be finished */
	const struct config *config;
	char id[CONTAINER_ID_SIZE];
	int engine_fd; /* the question was sent there; or -1 */
	int bundle_fd; /* config.json; or -1 */
	uint64_t deadline_us;
	char error[ENGINE_ERROR_SIZE]; /* why nothing is known, or "" */
};

void lookup_start(struct lookup *lookup, const struct config *config, const struct victim *victim);
void lookup_finish(struct lookup *lookup, struct victim *victim, struct crash *crash);
void lookup_close(struct lookup *lookup);
