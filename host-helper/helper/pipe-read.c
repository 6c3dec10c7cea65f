// SPDX-License-Identifier: MIT
/*
 * Reading from the kernel's pipe, with a deadline.
 *
 * The bytes are the victim's; so is the time that the next one takes.
 */
#include "pipe-read.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "clock.h"

/*
 * Fills buf from the pipe: 0 with *ret_len == len; 0 with less, which is the stream's end; or
 * -errno, and *ret_len tells what was read all the same.  -ETIME: the deadline.  The kernel may
 * stop in the middle for as long as the victim likes, on a page of a file system that the victim
 * serves itself.
 */
int pipe_read(int pipe_fd, char *buf, size_t len, uint64_t deadline_us, size_t *ret_len)
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
		ssize_t n = read(pipe_fd, buf + *ret_len, len - *ret_len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n == 0)
			break;
		*ret_len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}
