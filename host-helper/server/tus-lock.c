// SPDX-License-Identifier: MIT
/*
 * One request at a time goes on with an upload.
 *
 * The list is the process's, not a server's: after a reload requests of two of them are under way.
 */
#include "tus-lock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct tus_lock *holders;

static struct tus_lock **find(const char *name)
{
	struct tus_lock **link = &holders;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

static void drop(struct tus_lock **link)
{
	struct tus_lock *lock = *link;

	*link = lock->next;
	lock->held = lock->busy = false;
}

/* Takes the upload, from who has it now, too.  -EBUSY: that one is at work just now. */
int tus_lock_take(struct tus_lock *lock, const char *name)
{
	int r = 0;

	pthread_mutex_lock(&mutex);
	struct tus_lock **holder = find(name);
	if (*holder && (*holder)->busy) {
		r = -EBUSY;
	} else {
		if (*holder)
			drop(holder);
		memcpy(lock->name, name, sizeof(lock->name));
		lock->held = true;
		lock->busy = false;
		lock->next = holders;
		holders = lock;
	}
	pthread_mutex_unlock(&mutex);
	return r;
}

/* Until tus_lock_leave() nobody can take it.  False: somebody has. */
bool tus_lock_enter(struct tus_lock *lock)
{
	pthread_mutex_lock(&mutex);
	bool held = lock->held;
	lock->busy = held;
	pthread_mutex_unlock(&mutex);
	return held;
}

/* See tus_lock_enter(). */
void tus_lock_leave(struct tus_lock *lock)
{
	pthread_mutex_lock(&mutex);
	lock->busy = false;
	pthread_mutex_unlock(&mutex);
}

/* Gives it back, if it is still held. */
void tus_lock_release(struct tus_lock *lock)
{
	pthread_mutex_lock(&mutex);
	struct tus_lock **holder = find(lock->name);
	if (lock->held && *holder)
		drop(holder);
	pthread_mutex_unlock(&mutex);
}
