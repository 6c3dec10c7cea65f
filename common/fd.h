/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and memory that clean up after themselves, and reading and writing of whole files.
 *
 * File contents may come from anyone: every read here is bounded by its caller.  Nothing here ever
 * follows a link that it was not told to follow, or waits on a FIFO.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define cleanup_free __attribute__((cleanup(free_pointer)))
#define cleanup_fd   __attribute__((cleanup(fd_close_pointer)))
#define cleanup_file __attribute__((cleanup(file_close_pointer)))

static inline void free_pointer(void *p)
{
	free(*(void **)p);
}

static inline void fd_close_pointer(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void file_close_pointer(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Gives a descriptor away: returns it, and leaves -1 behind so that no cleanup closes it. */
static inline int fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Gives a pointer away: the same for cleanup_free. */
static inline void *ptr_steal(void *p)
{
	void *taken = *(void **)p;

	*(void **)p = NULL;
	return taken;
}

void fd_close(int *fd);
int fd_write_all(int fd, const void *data, size_t len);
int fd_pread_all(int fd, void *buf, size_t len, uint64_t offset);
ssize_t fd_read_fill(int fd, void *buf, size_t len);
int fd_read_some(int fd, size_t max, char **ret_data, size_t *ret_len);
int file_read_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_len);
int file_create_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode);
int file_replace_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    gid_t gid);
