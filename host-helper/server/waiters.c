// SPDX-License-Identifier: MIT
/*
 * Requests that wait for something to happen in the store, or for a time.
 *
 * A waiting connection is suspended: it holds no worker.  One thread lets all of them go on, each
 * to look for itself, so that many waiting clients cost no more than one.
 */
#include "waiters.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"

struct waiters {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct waiter *first;
	uint64_t happened; /* how often something did */
	bool wake_all, stopping;
};

/* Lets go those that need not wait any longer; the lock is held.  Returns when the next one is due.
 */
static uint64_t resume(struct waiters *waiters)
{
	uint64_t now_ms = clock_monotonic_ms(), next_ms = UINT64_MAX;
	bool all = waiters->wake_all || waiters->stopping;

	waiters->wake_all = false;
	for (struct waiter **link = &waiters->first; *link;) {
		struct waiter *waiter = *link;

		if (all || now_ms >= waiter->until_ms) {
			*link = waiter->next;
			/* From here on it is the worker's again, and may be gone. */
			MHD_resume_connection(waiter->mhd);
		} else {
			next_ms = waiter->until_ms < next_ms ? waiter->until_ms : next_ms;
			link = &waiter->next;
		}
	}
	return next_ms;
}

static void *watch(void *context)
{
	struct waiters *waiters = context;

	pthread_mutex_lock(&waiters->lock);
	while (!waiters->stopping) {
		uint64_t next_ms = resume(waiters);

		if (next_ms == UINT64_MAX) {
			pthread_cond_wait(&waiters->wake, &waiters->lock);
		} else {
			const struct timespec until = { .tv_sec = (time_t)(next_ms / 1000),
							.tv_nsec =
								(long)(next_ms % 1000) * 1000000L };

			pthread_cond_timedwait(&waiters->wake, &waiters->lock, &until);
		}
	}
	(void)resume(waiters);
	pthread_mutex_unlock(&waiters->lock);
	return NULL;
}

/* Starts the thread. 0 or -errno. */
int waiters_start(struct waiters **ret_waiters)
{
	struct waiters *waiters = calloc(1, sizeof(*waiters));
	pthread_condattr_t attributes;

	if (!waiters)
		return -ENOMEM;
	pthread_mutex_init(&waiters->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waiters->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	int r = pthread_create(&waiters->thread, NULL, watch, waiters);
	if (r != 0) {
		free(waiters);
		return -r;
	}
	*ret_waiters = waiters;
	return 0;
}

/* To be asked before looking into the store, for waiters_add(). */
uint64_t waiters_now(struct waiters *waiters)
{
	pthread_mutex_lock(&waiters->lock);
	uint64_t happened = waiters->happened;
	pthread_mutex_unlock(&waiters->lock);
	return happened;
}

/*
 * Suspends the waiter's connection until something happens, or until_ms; then its handler is called
 * again.  If something did since `seen` that is at once.  False: we are ending, and nothing was
 * done.  Call it from the handler.
 */
bool waiters_add(struct waiters *waiters, struct waiter *waiter, uint64_t seen)
{
	pthread_mutex_lock(&waiters->lock);
	bool taken = !waiters->stopping;

	if (taken) {
		MHD_suspend_connection(waiter->mhd);
		if (waiters->happened != seen)
			waiter->until_ms = 0;
		waiter->next = waiters->first;
		waiters->first = waiter;
		pthread_cond_signal(&waiters->wake);
	}
	pthread_mutex_unlock(&waiters->lock);
	return taken;
}

/* Something happened: everybody is to look.  (context: struct waiters.) */
void waiters_wake(void *context)
{
	struct waiters *waiters = context;

	pthread_mutex_lock(&waiters->lock);
	waiters->happened++;
	waiters->wake_all = true;
	pthread_cond_signal(&waiters->wake);
	pthread_mutex_unlock(&waiters->lock);
}

/* Lets everybody go, which libmicrohttpd wants before it is stopped.  Nobody waits from then on. */
void waiters_stop(struct waiters *waiters)
{
	pthread_mutex_lock(&waiters->lock);
	waiters->stopping = true;
	pthread_cond_signal(&waiters->wake);
	pthread_mutex_unlock(&waiters->lock);
	pthread_join(waiters->thread, NULL);
}

/* Frees it, when it is stopped and no handler can run any more. */
void waiters_free(struct waiters **waiters)
{
	pthread_cond_destroy(&(*waiters)->wake);
	pthread_mutex_destroy(&(*waiters)->lock);
	free(*waiters);
	*waiters = NULL;
}
