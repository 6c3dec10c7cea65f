// SPDX-License-Identifier: MIT
/*
 * A raw and sparse core in a file, as frames: what is a hole in the file is a run of zeros.
 *
 * The bytes are the victim's: read, not looked at.
 */
#include "spool-source.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

/* fd is set.  0 or -errno. */
int spool_source_init(struct spool_source *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return -errno;
	s->size = (uint64_t)st.st_size;
	s->position = 0;
	return 0;
}

/* Where the next byte is that is not of a hole: an offset, or the size. */
static uint64_t next_data(const struct spool_source *s)
{
	off_t data = lseek(s->fd, (off_t)s->position, SEEK_DATA);

	if (data < 0) /* or a file system without holes: all is data */
		return errno == ENXIO ? s->size : s->position;
	return (uint64_t)data < s->size ? (uint64_t)data : s->size;
}

static int next(void *context, struct frame *f)
{
	struct spool_source *s = context;

	if (s->position >= s->size)
		return 0;
	uint64_t data = next_data(s), left = s->size - s->position;
	/* Whole frames of nothing; the one in which data starts is read as it is. */
	uint64_t hole =
		data == s->size ? left : (data - s->position) / FRAME_BYTES_MAX * FRAME_BYTES_MAX;

	f->offset = s->position;
	f->zeros = hole;
	if (hole == 0)
		f->len = left < FRAME_BYTES_MAX ? (size_t)left : FRAME_BYTES_MAX;
	s->position += f->zeros + f->len;
	return 1;
}

static int fill(void *context, struct frame *f)
{
	const struct spool_source *s = context;

	return f->zeros > 0 ? 0 : fd_pread_all(s->fd, f->data, f->len, f->offset);
}

/* The frames; the source stays the caller's. */
struct frame_source spool_source_frames(struct spool_source *s)
{
	return (struct frame_source){ .next = next, .fill = fill, .context = s };
}
