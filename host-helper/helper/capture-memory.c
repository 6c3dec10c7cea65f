// SPDX-License-Identifier: MIT
/*
 * The core by way of the victim's memory.
 *
 * The kernel writes ELF header, program headers and notes into the pipe, and then waits for us to
 * read on.  Instead the memory is read through /proc/TID/mem, by several threads, into a sparse
 * file: the same bytes at the same places.  (process_vm_readv(2) would un-share the victim's pages,
 * and charge it for them.)  Whatever is not as expected gives an error, and the caller reads on
 * from the pipe, in which nothing has been skipped.
 */
#include "capture-memory.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "memory-map.h"
#include "memory-scan.h"
#include "pipe-read.h"
#include "victim.h"

#define PAGE_BYTES	4096U
#define THREADS_MAX	4
#define HEAD_BYTES_MAX	(64U << 20) /* notes: about 4 KiB for each thread of the victim */
#define THREAD_MIN_SIZE (8U << 20)  /* below, a second thread costs more than it brings */

struct work {
	const struct memory_capture *capture;
	int spool_fd;
	pthread_mutex_t lock;
	struct memory_scan scan; /* under lock, and: */
	int error;
	uint64_t copied;
};

static int next_piece(struct work *w, uint64_t copied, struct memory_piece *ret_piece)
{
	pthread_mutex_lock(&w->lock);
	w->copied += copied;
	int r = w->error ? w->error : memory_scan_next(&w->scan, ret_piece);
	if (r > 0 && clock_monotonic_us() >= w->capture->deadline_us)
		r = -ETIME;
	if (r < 0)
		w->error = r;
	pthread_mutex_unlock(&w->lock);
	return r;
}

/*
 * Reads some of a piece: the bytes, 0: this page cannot be read, and the kernel would write zeros
 * (vvar, a file that was cut), or -errno.
 */
static ssize_t read_memory(int fd, char *buf, size_t size, uint64_t address)
{
	ssize_t n;

	do {
		/* The vsyscall page has an address that pread(2) takes for a negative offset. */
		if (address > INT64_MAX)
			n = lseek(fd, (off_t)address, SEEK_SET) == (off_t)address
				    ? read(fd, buf, size)
				    : -1;
		else
			n = pread(fd, buf, size, (off_t)address);
	} while (n < 0 && errno == EINTR);

	if (n > 0)
		return n;
	if (n < 0 && (errno == EIO || errno == EFAULT))
		return 0;
	return n < 0 ? -errno : -ESRCH; /* an end: the memory is gone */
}

static int copy_piece(const struct work *w, const struct memory_piece *piece, char *buf)
{
	for (size_t done = 0; done < piece->size;) {
		uint64_t address = piece->address + done;
		ssize_t n = read_memory(w->capture->mem_fd, buf, piece->size - done, address);

		if (n < 0)
			return (int)n;
		for (size_t written = 0; written < (size_t)n;) {
			ssize_t m = pwrite(w->spool_fd, buf + written, (size_t)n - written,
					   (off_t)(piece->offset + done + written));

			if (m <= 0 && !(m < 0 && errno == EINTR))
				return m < 0 ? -errno : -EIO;
			written += m > 0 ? (size_t)m : 0;
		}
		done += n > 0 ? (size_t)n : PAGE_BYTES - (size_t)(address % PAGE_BYTES);
	}
	return 0;
}

static void fail(struct work *w, int error)
{
	pthread_mutex_lock(&w->lock);
	w->error = error;
	pthread_mutex_unlock(&w->lock);
}

static void *run_thread(void *context)
{
	struct work *w = context;
	struct memory_piece piece = { 0, 0, 0 };
	cleanup_free char *buf = malloc(MEMORY_PIECE_BYTES);

	if (!buf)
		fail(w, -ENOMEM);
	while (next_piece(w, piece.size, &piece) > 0) {
		int r = copy_piece(w, &piece, buf);

		if (r < 0)
			fail(w, r);
	}
	return NULL;
}

static size_t thread_count(uint64_t size)
{
	cpu_set_t cpus;
	size_t count =
		sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (size_t)CPU_COUNT(&cpus) : 1;

	if (count > THREADS_MAX)
		count = THREADS_MAX;
	return size < THREAD_MIN_SIZE || count < 1 ? 1 : count;
}

static int copy_all(const struct memory_capture *capture, const struct memory_map *map,
		    int spool_fd, uint64_t *ret_copied)
{
	pthread_t threads[THREADS_MAX];
	size_t want = thread_count(map->core_size), started = 0;
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->capture = capture;
	w->spool_fd = spool_fd;
	pthread_mutex_init(&w->lock, NULL);
	memory_scan_init(&w->scan, map, capture->pagemap_fd);
	while (started + 1 < want && pthread_create(&threads[started], NULL, run_thread, w) == 0)
		started++;
	run_thread(w);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	pthread_mutex_destroy(&w->lock);

	int r = w->error;
	*ret_copied = w->copied;
	free(w);
	return r;
}

/* Reads on in the pipe until head holds `len` bytes. 0, -ENODATA: the stream ended; -errno. */
static int read_head(const struct memory_capture *capture, int pipe_fd, uint64_t len,
		     struct memory_head *head)
{
	size_t got = 0;

	if (len <= head->len)
		return 0;
	if (len > HEAD_BYTES_MAX)
		return -EFBIG;
	char *bigger = realloc(head->data, (size_t)len);
	if (!bigger)
		return -ENOMEM;
	head->data = bigger;
	int r = pipe_read(pipe_fd, head->data + head->len, (size_t)len - head->len,
			  capture->deadline_us, &got);
	head->len += got;
	return r < 0 ? r : head->len < len ? -ENODATA : 0;
}

/*
 * Captures into spool_fd (an empty file).  0: it holds the whole core, *ret_size long, *ret_copied
 * bytes of memory in it; -errno: it does not, and spool_fd holds anything.  In any case *ret_head
 * is what was taken from the pipe so far (free its data): the stream goes on behind.
 */
int capture_memory(const struct memory_capture *capture, int pipe_fd, int spool_fd,
		   struct memory_head *ret_head, uint64_t *ret_size, uint64_t *ret_copied)
{
	struct memory_map map = { NULL, 0, 0, 0 };
	uint64_t len = 64; /* an ELF header */

	*ret_head = (struct memory_head){ NULL, 0 };
	*ret_copied = 0;
	int r = read_head(capture, pipe_fd, len, ret_head);
	if (r == 0)
		r = memory_map_header_size(ret_head->data, ret_head->len, &len);
	if (r == 0)
		r = read_head(capture, pipe_fd, len, ret_head);
	if (r == 0)
		r = memory_map_parse(ret_head->data, (size_t)len, capture->maps, &map);
	if (r == 0)
		r = read_head(capture, pipe_fd, map.data_offset, ret_head);
	if (r == 0 && ftruncate(spool_fd, (off_t)map.core_size) < 0)
		r = -errno;
	if (r == 0 && pwrite(spool_fd, ret_head->data, ret_head->len, 0) != (ssize_t)ret_head->len)
		r = -ENOSPC;
	if (r == 0)
		r = copy_all(capture, &map, spool_fd, ret_copied);
	*ret_size = map.core_size;
	memory_map_release(&map);
	return r;
}
