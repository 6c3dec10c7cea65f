/* SPDX-License-Identifier: MIT */
/*
 * What is needed to go on with a delivery whose helper was killed: STORE/deliveries/ID, from before
 * the first attempt until it is final.  Root's alone.
 *
 * Its lock is held by who is at it.  What stands there is not written to the disk at once: after a
 * power cut there is no container to go on in.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "anchor.h"
#include "crash-id.h"
#include "enter.h"
#include "push-report.h"

#define DELIVERY_STATE_MAGIC 0x63664431U /* "cfD1" */

/* Written as bytes: fixed types only. */
struct delivery_state {
	uint32_t magic, size;
	char id[CRASH_ID_SIZE];
	uint64_t first_us; /* CLOCK_MONOTONIC: when it began */
	uint32_t is_agent, ends_with_victim;
	struct anchor anchor;
	struct anchor_place place;
	struct enter_plan plan; /* the victim's rights; its descriptors mean nothing */
	char resume[PUSH_REPORT_RESUME_MAX + 1];
};

int delivery_state_create(int storefd, const struct delivery_state *state, int *ret_fd);
void delivery_state_set_resume(int fd, const char *resume);
void delivery_state_remove(int storefd, const char *id);
int delivery_state_list(int storefd, char (**ret_ids)[CRASH_ID_SIZE], size_t *ret_count);
int delivery_state_take(int storefd, const char *id, struct delivery_state *ret_state, int *ret_fd);
