// SPDX-License-Identifier: MIT
/*
 * Pulls that wait for a capture which is under way.
 *
 * A waiting connection is suspended: it holds no worker.  One thread looks into the store for all
 * of them, so that many waiting clients cost no more than one.
 */
#include "pull-wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "limits.h"
#include "pull.h"

struct pull_wait {
	const struct server *server;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct pull_waiter *first;
	bool stopping;
};

/* Lets go those that need not wait any longer; the lock is held. */
static void resume(struct pull_wait *wait, bool all)
{
	uint64_t now_ms = clock_monotonic_ms();

	for (struct pull_waiter **link = &wait->first; *link;) {
		struct pull_waiter *waiter = *link;

		if (all || now_ms >= waiter->until_ms) {
			*link = waiter->next;
			/* From here on it is the worker's again, and may be gone. */
			MHD_resume_connection(waiter->mhd);
		} else {
			link = &waiter->next;
		}
	}
}

static void wait_a_little(struct pull_wait *wait)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LIMIT_PULL_POLL_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	/* A new waiter's signal may end this early, which does no harm. */
	pthread_cond_timedwait(&wait->wake, &wait->lock, &until);
}

static void *watch(void *context)
{
	struct pull_wait *wait = context;

	pthread_mutex_lock(&wait->lock);
	while (!wait->stopping) {
		if (!wait->first) {
			pthread_cond_wait(&wait->wake, &wait->lock);
			continue;
		}
		wait_a_little(wait);
		pthread_mutex_unlock(&wait->lock);
		int found = pull_probe(wait->server);
		pthread_mutex_lock(&wait->lock);
		resume(wait, found != PULL_PENDING);
	}
	resume(wait, true);
	pthread_mutex_unlock(&wait->lock);
	return NULL;
}

/* Starts the thread; server must live as long. 0 or -errno. */
int pull_wait_start(const struct server *server, struct pull_wait **ret_wait)
{
	struct pull_wait *wait = calloc(1, sizeof(*wait));
	pthread_condattr_t attributes;

	if (!wait)
		return -ENOMEM;
	wait->server = server;
	pthread_mutex_init(&wait->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&wait->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	int r = pthread_create(&wait->thread, NULL, watch, wait);
	if (r != 0) {
		free(wait);
		return -r;
	}
	*ret_wait = wait;
	return 0;
}

/*
 * Suspends the waiter's connection until there is something to look at, or until_ms; then its
 * handler is called again.  False: we are ending, and nothing was done.  Call it from the handler.
 */
bool pull_wait_add(struct pull_wait *wait, struct pull_waiter *waiter)
{
	pthread_mutex_lock(&wait->lock);
	bool taken = !wait->stopping;

	if (taken) {
		MHD_suspend_connection(waiter->mhd);
		waiter->next = wait->first;
		wait->first = waiter;
		pthread_cond_signal(&wait->wake);
	}
	pthread_mutex_unlock(&wait->lock);
	return taken;
}

/* Lets everybody go, which libmicrohttpd wants before it is stopped.  Nobody waits from then on. */
void pull_wait_stop(struct pull_wait *wait)
{
	pthread_mutex_lock(&wait->lock);
	wait->stopping = true;
	pthread_cond_signal(&wait->wake);
	pthread_mutex_unlock(&wait->lock);
	pthread_join(wait->thread, NULL);
}

/* Frees it, when it is stopped and no handler can run any more. */
void pull_wait_free(struct pull_wait **wait)
{
	pthread_cond_destroy(&(*wait)->wake);
	pthread_mutex_destroy(&(*wait)->lock);
	free(*wait);
	*wait = NULL;
}
