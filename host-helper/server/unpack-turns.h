/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is to unpack: so many at once, however many pull.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct unpack_turns;

enum unpack_state {
	UNPACK_IDLE,	/* has no turn */
	UNPACK_WAITING, /* its connection is suspended */
	UNPACK_GRANTED, /* has one, and was told just now */
	UNPACK_READY,	/* has one, and does nothing with it now */
	UNPACK_BUSY,	/* is unpacking */
};

/* One body; the fields are the turns', but for the first three. */
struct unpack_turn {
	struct MHD_Connection *mhd;
	void (*give_up)(
		void *context); /* frees what unpacking takes; called with the turns locked */
	void *context;
	enum unpack_state state;
	struct unpack_turn *next;
	uint64_t since_ms, bytes;
};

int unpack_turns_start(struct unpack_turns **ret_turns);
void unpack_turns_stop(struct unpack_turns *turns);
void unpack_turns_free(struct unpack_turns **turns);

enum unpack_enter { UNPACK_GO, UNPACK_WAIT, UNPACK_END };

enum unpack_enter unpack_turns_enter(struct unpack_turns *turns, struct unpack_turn *turn);
void unpack_turns_leave(struct unpack_turns *turns, struct unpack_turn *turn, uint64_t bytes);
void unpack_turns_forget(struct unpack_turns *turns, struct unpack_turn *turn);
