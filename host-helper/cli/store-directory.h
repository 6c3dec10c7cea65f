/* SPDX-License-Identifier: MIT */
/*
 * The store's own directory, for register and unregister: made, checked, and locked.
 *
 * registration.json is kept in it and decides what is written into the kernel's settings, so it
 * must be a directory in which nobody but us can make a file.
 */
#pragma once

#include <stdbool.h>

struct store_directory {
	int fd;	     /* -1: there is no store */
	int lock_fd; /* closing it gives the lock back */
};

int store_directory_open(const char *path, bool create, struct store_directory *ret_directory);
void store_directory_close(struct store_directory *directory);
#define cleanup_store_directory __attribute__((cleanup(store_directory_close)))
