/* SPDX-License-Identifier: MIT */
/*
 * The directory of --receive, and those below it that tokens may have of their own: each has the
 * layout of a store's crashes.
 */
#pragma once

#include <sys/types.h>

#include "store.h"

/* Uploads that are under way over several requests (tus). */
#define RECEIVE_UPLOADS_NAME ".uploads"

int receive_open(const char *path, struct store *ret_received);
int receive_prepare(const struct store *received, int *ret_uploads_fd);
int receive_directory_open(const struct store *received, const char *name,
			   struct store *ret_directory);
void receive_discard(const struct store *directory, const char *id);

/* name "": the directory of --receive itself. */
typedef void (*receive_directory_fn)(void *context, const char *name,
				     const struct store *directory);
int receive_directory_for_each(const struct store *received, receive_directory_fn fn,
			       void *context);
