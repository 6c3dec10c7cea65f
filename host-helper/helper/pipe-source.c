// SPDX-License-Identifier: MIT
/*
 * The core by way of the kernel's pipe, with a deadline.
 *
 * The bytes are the victim's; so is the time that the next one takes: the kernel may stop in the
 * middle for as long as the victim likes, on a page of a file system that the victim serves itself.
 */
#include "pipe-source.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* What is read is gone from the pipe: if we are ended in between, the report says so. */
static ssize_t read_reported(int pipe_fd, char *buf, size_t len, struct capture_report *report)
{
	atomic_store(&report->taking, true);
	ssize_t n = read(pipe_fd, buf, len);

	n = n < 0 ? -errno : n;
	if (n > 0)
		atomic_fetch_add(&report->taken, (uint64_t)n);
	atomic_store(&report->taking, false);
	return n;
}

/*
 * Fills buf from the pipe: 0 with *ret_len == len; 0 with less, which is the stream's end; or
 * -errno, and *ret_len tells what was read all the same.  -ETIME: the deadline.
 */
int pipe_take(int pipe_fd, char *buf, size_t len, uint64_t deadline_us,
	      struct capture_report *report, size_t *ret_len)
{
	*ret_len = 0;
	while (*ret_len < len) {
		struct pollfd fd = { .fd = pipe_fd, .events = POLLIN };
		uint64_t now = clock_monotonic_us();

		if (now >= deadline_us)
			return -ETIME;
		int ready = poll(&fd, 1, (int)((deadline_us - now) / 1000 % INT_MAX + 1));
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready <= 0)
			continue;
		ssize_t n = read_reported(pipe_fd, buf + *ret_len, len - *ret_len, report);
		if (n < 0 && n != -EINTR && n != -EAGAIN)
			return (int)n;
		if (n == 0)
			break;
		*ret_len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static bool is_zeros(const char *data, size_t len)
{
	return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

static int next(void *context, struct frame *f)
{
	struct pipe_source *s = context;
	size_t want = FRAME_BYTES_MAX;

	if (s->end != 1)
		return s->end;
	if (s->position >= s->max_offset)
		return LIMIT_MAX_OFFSET;
	if (s->copied >= s->max_bytes)
		return LIMIT_MAX_BYTES;
	if (want > s->max_offset - s->position)
		want = (size_t)(s->max_offset - s->position);
	f->offset = s->position;
	int r = pipe_take(s->pipe_fd, f->data, want, s->deadline_us, s->report, &f->len);
	if (r < 0 || f->len < want)
		s->end = r; /* the stream's end, or why there is no more */
	if (f->len == 0)
		return s->end;
	s->position += f->len;
	if (is_zeros(f->data, f->len)) {
		f->zeros = f->len;
		f->len = 0;
	} else {
		s->copied += f->len;
	}
	return 1;
}

/*
 * The frames; the fields above `position` are set, position is that of the pipe.  LIMIT_...: one
 * was reached; -ETIME; -errno.
 */
struct frame_source pipe_source_frames(struct pipe_source *s)
{
	s->end = 1;
	return (struct frame_source){ .next = next, .context = s };
}
