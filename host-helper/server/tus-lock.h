/* SPDX-License-Identifier: MIT */
/*
 * One request at a time goes on with an upload.  The last one that asks wins, unless the one before
 * is just writing: a peer that lost its connection comes back before we know that it is lost.
 */
#pragma once

#include <stdbool.h>

#include "tus-headers.h"

struct tus_lock {
	struct tus_lock *next;
	char name[TUS_NAME_SIZE];
	bool held, busy;
};

int tus_lock_take(struct tus_lock *lock, const char *name);
bool tus_lock_enter(struct tus_lock *lock);
void tus_lock_leave(struct tus_lock *lock);
void tus_lock_release(struct tus_lock *lock);
