// SPDX-License-Identifier: MIT
/*
 * The core as a row of frames, moved by several threads.
 *
 * The bytes of the frames are the victim's; nothing here looks at them.  The first error stops all
 * threads; what was handed out before it is brought to its end, so that what there is has no gap.
 */
#include "frame-pump.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "clock.h"
#include "fd.h"

struct pump {
	const struct frame_pump *order;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	/* under lock: */
	uint64_t given, put; /* frames so far */
	uint64_t end;	     /* offset behind the last frame that was given */
	uint64_t broken;     /* offset of the first frame that could not be done */
	bool buffer_used;
	bool ended;
	int error;
};

static void fail(struct pump *p, uint64_t offset, int error)
{
	pthread_mutex_lock(&p->lock);
	p->error = p->error ? p->error : error;
	p->broken = offset < p->broken ? offset : p->broken;
	p->ended = true;
	pthread_cond_broadcast(&p->turn);
	pthread_mutex_unlock(&p->lock);
}

/* 1 and the frame with its number, or 0: there are no more. */
static int take_next(struct pump *p, struct frame *frame, uint64_t *ret_number)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (!p->ended) {
		frame->zeros = 0;
		frame->len = frame->head_len = frame->piece_count = 0;
		r = clock_monotonic_us() >= p->order->deadline_us
			    ? -ETIME
			    : p->order->source.next(p->order->source.context, frame);
		if (r > 0) {
			*ret_number = p->given++;
			p->end = frame->offset + frame->zeros + frame->len;
		} else {
			p->ended = true;
			p->error = r;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return r > 0;
}

/* Waits until all frames before are put.  False: one of them never will be. */
static bool wait_turn(struct pump *p, uint64_t number, uint64_t offset)
{
	pthread_mutex_lock(&p->lock);
	while (p->put < number && p->broken > offset)
		pthread_cond_wait(&p->turn, &p->lock);
	bool mine = p->put == number && p->broken > offset;
	pthread_mutex_unlock(&p->lock);
	return mine;
}

static int move_frame(struct pump *p, void *own, struct frame *frame, uint64_t number)
{
	int r = p->order->source.fill ? p->order->source.fill(p->order->source.context, frame) : 0;

	if (r == 0)
		r = p->order->sink.take(p->order->sink.context, own, frame);
	if (r < 0 || !p->order->sink.put)
		return r;
	if (!wait_turn(p, number, frame->offset))
		return 0; /* an earlier one failed: this one is of no use any more */
	r = p->order->sink.put(p->order->sink.context, frame);
	if (r < 0)
		return r;
	pthread_mutex_lock(&p->lock);
	p->put++;
	pthread_cond_broadcast(&p->turn);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

/* The order's buffer, for the first thread that asks; NULL for the others. */
static char *take_buffer(struct pump *p)
{
	pthread_mutex_lock(&p->lock);
	char *buffer = p->buffer_used ? NULL : p->order->buffer;
	p->buffer_used = true;
	pthread_mutex_unlock(&p->lock);
	return buffer;
}

static void *run_thread(void *context)
{
	struct pump *p = context;
	cleanup_free struct frame *frame = malloc(sizeof(*frame));
	char *lent = take_buffer(p);
	cleanup_free char *own_data = lent ? NULL : malloc(p->order->frame_bytes);
	char *data = lent ? lent : own_data;
	void *own = NULL;
	uint64_t number;

	int r = frame && data ? 0 : -ENOMEM;

	if (r == 0 && p->order->sink.open)
		r = p->order->sink.open(p->order->sink.context, &own);
	if (r < 0) {
		/* A capture with half its memory is none: the caller takes another way. */
		fail(p, UINT64_MAX, r);
		return NULL;
	}
	frame->data = data;
	while (take_next(p, frame, &number)) {
		r = move_frame(p, own, frame, number);
		if (r < 0)
			fail(p, frame->offset, r);
	}
	if (own)
		p->order->sink.close(own);
	return NULL;
}

/*
 * Moves all frames.  0, -ETIME: the deadline came first, or the first -errno of source or sink.  In
 * any case *ret_complete is the offset up to which no frame is missing.
 */
int frame_pump(const struct frame_pump *order, uint64_t *ret_complete)
{
	pthread_t others[PUMP_THREADS_MAX - 1];
	struct pump p = { .order = order, .broken = UINT64_MAX };
	size_t started = 0;

	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.turn, NULL);
	while (started + 1 < order->threads && started < PUMP_THREADS_MAX - 1 &&
	       pthread_create(&others[started], NULL, run_thread, &p) == 0)
		started++;
	run_thread(&p);
	while (started > 0)
		pthread_join(others[--started], NULL);
	pthread_cond_destroy(&p.turn);
	pthread_mutex_destroy(&p.lock);
	*ret_complete = p.broken < p.end ? p.broken : p.end;
	return p.error;
}
