// SPDX-License-Identifier: MIT
/*
 * The core by way of the victim's memory.
 *
 * The kernel writes ELF header, program headers and notes into the pipe, and then waits for us to
 * read on.  Instead the memory is read through /proc/TID/mem, by several threads: the same bytes
 * at the same places.  (process_vm_readv(2) would un-share the victim's pages, and charge it for
 * them.)  Whatever is not as expected gives an error, and the caller reads on from the pipe, in
 * which nothing has been skipped.
 */
#include "memory-source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "capture-report.h"

#define PAGE_BYTES 4096U

/* Of a longer hole the rest is the next frame: limits and the deadline are looked at in between. */
#define HOLE_BYTES_MAX (256ULL << 30)

/* Takes its place at the core's start; the fields above `scan` are set, and stay the caller's. */
void memory_source_init(struct memory_source *m, int pagemap_fd)
{
	memory_scan_init(&m->scan, m->map, pagemap_fd, m->frame_bytes);
	m->position = m->copied = 0;
	m->has_piece = false;
}

static int look_ahead(struct memory_source *m)
{
	if (m->has_piece)
		return 1;
	int r = memory_scan_next(&m->scan, &m->piece);

	m->has_piece = r > 0;
	return r;
}

/* A run of frames in which there is nothing to read: how long, or 0. */
static uint64_t hole_at(const struct memory_source *m)
{
	uint64_t size = m->map->core_size;
	uint64_t next = m->has_piece ? m->piece.offset / m->frame_bytes * m->frame_bytes : size;

	if (m->position < m->map->data_offset || next <= m->position)
		return 0;
	uint64_t hole = next - m->position;

	hole = hole < HOLE_BYTES_MAX ? hole : HOLE_BYTES_MAX;
	return hole < m->max_offset - m->position ? hole : m->max_offset - m->position;
}

static int collect_pieces(struct memory_source *m, struct frame *f)
{
	int r;

	while ((r = look_ahead(m)) > 0 && m->piece.offset < f->offset + f->len) {
		size_t at = (size_t)(m->piece.offset - f->offset);
		/* max_offset may cut it. */
		size_t size = m->piece.size < f->len - at ? m->piece.size : f->len - at;

		if (m->copied >= m->max_bytes)
			return LIMIT_MAX_BYTES;
		f->pieces[f->piece_count++] = (struct frame_piece){ m->piece.address, at, size };
		m->copied += size;
		m->has_piece = false;
	}
	return r;
}

static int next(void *context, struct frame *f)
{
	struct memory_source *m = context;
	uint64_t size = m->map->core_size;
	int r = look_ahead(m);

	if (r < 0)
		return r;
	if (m->position >= size)
		return 0;
	if (m->position >= m->max_offset)
		return LIMIT_MAX_OFFSET;
	f->offset = m->position;
	f->zeros = hole_at(m);
	if (f->zeros > 0) {
		m->position += f->zeros;
		return 1;
	}
	uint64_t left = (size < m->max_offset ? size : m->max_offset) - m->position;
	f->len = left < m->frame_bytes ? (size_t)left : m->frame_bytes;
	if (m->position < m->map->data_offset) {
		uint64_t head = m->map->data_offset - m->position;

		f->head_len = head < f->len ? (size_t)head : f->len;
	}
	m->position += f->len;
	r = collect_pieces(m, f);
	return r < 0 ? r : 1;
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

static int read_piece(const struct memory_source *m, const struct frame_piece *piece, char *buf)
{
	for (size_t done = 0; done < piece->size;) {
		uint64_t address = piece->address + done;
		ssize_t n = read_memory(m->mem_fd, buf + done, piece->size - done, address);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			n = PAGE_BYTES - (ssize_t)(address % PAGE_BYTES);
			memset(buf + done, 0, (size_t)n);
		}
		done += (size_t)n;
	}
	return 0;
}

static int fill(void *context, struct frame *f)
{
	const struct memory_source *m = context;
	size_t at = f->head_len;

	if (at > 0)
		memcpy(f->data, m->head + f->offset, at);
	for (size_t i = 0; i < f->piece_count; i++) {
		const struct frame_piece *piece = &f->pieces[i];

		memset(f->data + at, 0, piece->at - at);
		int r = read_piece(m, piece, f->data + piece->at);
		if (r < 0)
			return r;
		at = piece->at + piece->size;
	}
	memset(f->data + at, 0, f->len - at);
	return 0;
}

/*
 * The frames: with pieces and head_len, so that a sink can tell memory from holes.  LIMIT_...: one
 * was reached; -ESRCH: the memory is gone; other -errno: take the pipe.
 */
struct frame_source memory_source_frames(struct memory_source *m)
{
	return (struct frame_source){ .next = next, .fill = fill, .context = m };
}
