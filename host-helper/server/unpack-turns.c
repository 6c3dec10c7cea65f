// SPDX-License-Identifier: MIT
/*
 * Whose turn it is to unpack: so many at once, however many pull.
 *
 * What unpacking takes (a window, tables) is two orders more than an open connection takes.  So a
 * few bodies have it, the others wait, suspended, in their order.  A peer that does not read loses
 * its turn to one that would; one that reads a lot makes way from time to time.
 */
#include "unpack-turns.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "limits.h"

struct unpack_turns {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct unpack_turn *holders;
	struct unpack_turn *first, **last; /* who waits */
	unsigned count;			   /* of holders */
	bool stopping;
};

/* --- with the lock held --- */

static void grant(struct unpack_turns *turns, struct unpack_turn *turn, enum unpack_state state)
{
	turn->state = state;
	turn->bytes = 0;
	turn->since_ms = clock_monotonic_ms();
	turn->next = turns->holders;
	turns->holders = turn;
	turns->count++;
}

static void take_back(struct unpack_turns *turns, struct unpack_turn *turn)
{
	struct unpack_turn **link = &turns->holders;

	while (*link != turn)
		link = &(*link)->next;
	*link = turn->next;
	turns->count--;
	turn->state = UNPACK_IDLE;
	turn->give_up(turn->context);
}

/* Gives free turns to those who wait. */
static void grant_waiting(struct unpack_turns *turns)
{
	while (turns->first && (turns->count < LIMIT_UNPACKING || turns->stopping)) {
		struct unpack_turn *turn = turns->first;

		turns->first = turn->next;
		if (!turns->first)
			turns->last = &turns->first;
		grant(turns, turn, UNPACK_GRANTED);
		MHD_resume_connection(turn->mhd);
	}
}

/* Takes turns from those whose peers do not read, as long as somebody waits. */
static void take_from_idle(struct unpack_turns *turns)
{
	uint64_t now_ms = clock_monotonic_ms();
	struct unpack_turn *next;

	for (struct unpack_turn *t = turns->holders; t && turns->first; t = next) {
		next = t->next;
		if (t->state == UNPACK_READY && now_ms >= t->since_ms + LIMIT_UNPACK_IDLE_MS)
			take_back(turns, t);
	}
}

static void append(struct unpack_turns *turns, struct unpack_turn *turn)
{
	turn->state = UNPACK_WAITING;
	turn->next = NULL;
	*turns->last = turn;
	turns->last = &turn->next;
	pthread_cond_signal(&turns->wake);
}

/* --- the thread that takes turns away --- */

static void *watch(void *context)
{
	struct unpack_turns *turns = context;
	struct timespec until;

	pthread_mutex_lock(&turns->lock);
	while (!turns->stopping) {
		if (!turns->first) {
			pthread_cond_wait(&turns->wake, &turns->lock);
			continue;
		}
		take_from_idle(turns);
		grant_waiting(turns);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LIMIT_UNPACK_IDLE_MS * 1000000L / 2;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&turns->wake, &turns->lock, &until);
	}
	grant_waiting(turns);
	pthread_mutex_unlock(&turns->lock);
	return NULL;
}

/* Starts the thread. 0 or -errno. */
int unpack_turns_start(struct unpack_turns **ret_turns)
{
	struct unpack_turns *turns = calloc(1, sizeof(*turns));
	pthread_condattr_t attributes;

	if (!turns)
		return -ENOMEM;
	turns->last = &turns->first;
	pthread_mutex_init(&turns->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&turns->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	int r = pthread_create(&turns->thread, NULL, watch, turns);
	if (r != 0) {
		free(turns);
		return -r;
	}
	*ret_turns = turns;
	return 0;
}

/* Lets go all who wait, which libmicrohttpd wants before it is stopped.  Nobody waits from then on.
 */
void unpack_turns_stop(struct unpack_turns *turns)
{
	pthread_mutex_lock(&turns->lock);
	turns->stopping = true;
	pthread_cond_signal(&turns->wake);
	pthread_mutex_unlock(&turns->lock);
	pthread_join(turns->thread, NULL);
}

/* Frees it, when no body is left. */
void unpack_turns_free(struct unpack_turns **turns)
{
	pthread_cond_destroy(&(*turns)->wake);
	pthread_mutex_destroy(&(*turns)->lock);
	free(*turns);
	*turns = NULL;
}

/* --- for bodies --- */

/*
 * Asks for the turn, before each piece.  UNPACK_GO: unpack, and then call unpack_turns_leave();
 * UNPACK_WAIT: the connection is suspended until it is its turn; UNPACK_END: we are ending.
 */
enum unpack_enter unpack_turns_enter(struct unpack_turns *turns, struct unpack_turn *turn)
{
	enum unpack_enter result = UNPACK_GO;

	pthread_mutex_lock(&turns->lock);
	/* It had enough for now, and others wait. */
	if (turn->state == UNPACK_READY && turns->first && turn->bytes >= LIMIT_UNPACK_TURN) {
		take_back(turns, turn);
		grant_waiting(turns);
	}
	if (turn->state == UNPACK_READY || turn->state == UNPACK_GRANTED) {
		turn->state = UNPACK_BUSY;
	} else if (turns->stopping) {
		result = UNPACK_END;
	} else if (turns->count < LIMIT_UNPACKING && !turns->first) {
		grant(turns, turn, UNPACK_BUSY);
	} else {
		MHD_suspend_connection(turn->mhd);
		append(turns, turn);
		result = UNPACK_WAIT;
	}
	pthread_mutex_unlock(&turns->lock);
	return result;
}

/* So many bytes were unpacked; the turn stays until it is taken. */
void unpack_turns_leave(struct unpack_turns *turns, struct unpack_turn *turn, uint64_t bytes)
{
	pthread_mutex_lock(&turns->lock);
	turn->state = UNPACK_READY;
	turn->since_ms = clock_monotonic_ms();
	turn->bytes += bytes;
	pthread_mutex_unlock(&turns->lock);
}

/* The body is over: its turn is the next one's. */
void unpack_turns_forget(struct unpack_turns *turns, struct unpack_turn *turn)
{
	pthread_mutex_lock(&turns->lock);
	if (turn->state != UNPACK_IDLE) {
		take_back(turns, turn);
		grant_waiting(turns);
	}
	pthread_mutex_unlock(&turns->lock);
}
