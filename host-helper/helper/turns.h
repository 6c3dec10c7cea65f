/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: slots, shared out so that no container's crashes keep those of others waiting.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crash.h"

#define TURN_OWNER_SIZE 384

/* { -1, -1 }: none. */
struct turn {
	int lane_fd, slot_fd;
};

void turn_owner(const struct crash *crash, char owner[TURN_OWNER_SIZE]);
int turn_take_capture(int storefd, const char *owner, unsigned slots, uint64_t deadline_us,
		      struct turn *turn);
int turn_take_work(int storefd, const char *owner, unsigned slots, uint64_t deadline_us,
		   struct turn *turn);
bool turn_take_unfinished(int storefd, const char *owner, int *ret_fd);
void turn_end(struct turn *turn);
#define cleanup_turn __attribute__((cleanup(turn_end)))
