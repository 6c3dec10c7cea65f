/* SPDX-License-Identifier: MIT */
/*
 * What the tests of housekeeping share: a store in a directory of its own, crashes in it, and a
 * mend function that does what the helper's does.
 */
#pragma once

#include "test.h"
/* after that: */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "fd.h"
#include "seekable-format.h"
#include "seekable.h"
#include "store.h"

#define HOUSE_TIME_US 1795228673000000ULL
/* For what depends on how processes are scheduled: they get the time that they need. */
#define HOUSE_DEADLINE_S 60

static char house_dir[64];
static struct store house_store = { .crashes_fd = -1 };

static inline int house_setup(void **state)
{
	(void)state;
	snprintf(house_dir, sizeof(house_dir), "/tmp/test-house.XXXXXX");
	return mkdtemp(house_dir) ? store_open(house_dir, true, &house_store) : -1;
}

static inline int house_remove_one(const char *path, const struct stat *st, int type,
				   struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline int house_teardown(void **state)
{
	(void)state;
	store_close(&house_store);
	return nftw(house_dir, house_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A child that does not outlive a test that fails. */
static inline pid_t house_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	assert_true(pid >= 0);
	return pid;
}

static inline void house_kill(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Runs fn in a child up to its n-th system call, which it has not made yet.  False: it ended
 * before. */
static inline bool house_stopped_at(void (*fn)(void), unsigned n, pid_t *ret_pid)
{
	int status;
	pid_t pid = house_fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* It stops at the entry into each, and at the return from it. */
	for (unsigned i = 0; i < 2 * n; i++) {
		assert_true(WIFSTOPPED(status));
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
	}
	*ret_pid = pid;
	return true;
}

/* Kills fn before its n-th system call: between two of those there is nothing that could be left
 * half done.  False: it ended before. */
static inline bool house_killed_at(void (*fn)(void), unsigned n)
{
	pid_t pid;
	bool stopped = house_stopped_at(fn, n, &pid);

	if (stopped)
		house_kill(pid);
	return stopped;
}

/* Does all of `meanwhile` before fn's n-th system call.  False: fn ended before. */
static inline bool house_interrupted_at(void (*fn)(void), unsigned n, void (*meanwhile)(void))
{
	int status;
	pid_t pid;

	if (!house_stopped_at(fn, n, &pid))
		return false;
	meanwhile();
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return true;
}

/* The n-th crash's id: later ones have larger numbers. */
static inline void house_id(unsigned n, char id[CRASH_ID_SIZE])
{
	assert_int_equal(crash_id_format(HOUSE_TIME_US + n, n + 1, 7, id), 0);
}

/* A record as the helper begins one. */
static inline void house_begin_record(unsigned n, struct crash *crash)
{
	crash_init(crash);
	house_id(n, crash->id);
	crash->time_us = HOUSE_TIME_US + n;
	crash->pid = n + 1;
	crash->signal = 11;
	crash->outcome = CRASH_TRUNCATED;
	crash_set_string(&crash->exe, "/usr/bin/victim");
	crash_set_string(&crash->reason, "not published yet");
}

/* A file of `bytes` random bytes, which takes as much on the disk. */
static inline void house_file(int dirfd, const char *name, size_t bytes)
{
	cleanup_free char *data = malloc(bytes + 1);

	for (size_t i = 0; i < bytes; i++)
		data[i] = (char)(random() & 0xff);
	assert_int_equal(file_create_at(dirfd, name, data, bytes, 0600), 0);
}

static inline bool house_has(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* core.zst of `frames` frames of a MiB; the file ends `missing` bytes before its end. */
static inline void house_zst(int dirfd, const char *name, unsigned frames, off_t missing)
{
	struct seekable_writer *writer = NULL;
	cleanup_free char *data = malloc(SEEKABLE_FRAME_BYTES);
	cleanup_fd int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_int_equal(seekable_writer_new(fd, 1, &writer), 0);
	for (unsigned i = 0; i < frames; i++) {
		memset(data, (int)('a' + i), SEEKABLE_FRAME_BYTES);
		assert_int_equal(seekable_writer_add(writer, data, SEEKABLE_FRAME_BYTES), 0);
	}
	assert_int_equal(seekable_writer_finish(writer), 0);
	assert_int_equal(ftruncate(fd, (off_t)lseek(fd, 0, SEEK_END) - missing), 0);
	seekable_writer_free(&writer);
}

static inline uint8_t *house_put32(uint8_t *p, size_t value)
{
	uint32_t word = htole32((uint32_t)value);

	memcpy(p, &word, 4);
	return p + 4;
}

/* How much a file with a table unpacks to.  -EBADMSG: it has none. */
static inline int house_measure(int fd, uint64_t *ret_raw_size)
{
	struct seekable_reader *reader = NULL;
	int r = seekable_reader_new(fd, &reader);

	if (r == 0)
		*ret_raw_size = seekable_reader_size(reader);
	seekable_reader_free(&reader);
	return r;
}

/* Where the table is missing: keeps the whole frames, and writes the table of them. */
static inline int house_mend(int dirfd, int fd, uint64_t *ret_raw_size)
{
	cleanup_free char *data = malloc(1U << 20);
	uint8_t table[4096], *p = table + SEEKABLE_HEADER_BYTES;
	size_t at = 0, count = 0;
	ssize_t len = pread(fd, data, 1U << 20, 0);

	(void)dirfd;
	if (house_measure(fd, ret_raw_size) == 0)
		return 0;
	while (at < (size_t)len) {
		size_t stored = ZSTD_findFrameCompressedSize(data + at, (size_t)len - at);
		unsigned long long raw = ZSTD_getFrameContentSize(data + at, (size_t)len - at);

		if (ZSTD_isError(stored) || raw > SEEKABLE_FRAME_BYTES)
			break;
		p = house_put32(house_put32(p, stored), (size_t)raw);
		at += stored;
		count++;
	}
	if (count == 0)
		return -ENODATA;
	house_put32(table, SEEKABLE_SKIPPABLE_MAGIC);
	house_put32(table + 4, (size_t)(p - table) - SEEKABLE_HEADER_BYTES + SEEKABLE_FOOTER_BYTES);
	p = house_put32(p, count);
	*p++ = 0;
	p = house_put32(p, SEEKABLE_FOOTER_MAGIC);
	if (ftruncate(fd, (off_t)at) < 0 ||
	    pwrite(fd, table, (size_t)(p - table), (off_t)at) != p - table)
		return -EIO;
	return house_measure(fd, ret_raw_size);
}
