// SPDX-License-Identifier: MIT
/*
 * common/seekable-reader.c: a file that may be damaged, or made to mislead.
 *
 * A read gives what it was asked for, up to the end, or says that the file is damaged; any range
 * holds what reading from the start gave there.  What is unpacked is bounded, for bombs are slow.
 */
#include "seekable.h"

#include <errno.h>
#include <sys/mman.h>

#include "fuzz.h"

#define RAW_MAX	   (4U << 20)
#define STEP_BYTES 77777U

static char whole[RAW_MAX], part[RAW_MAX];

/* Reads from the start, up to max; returns how far that went well. */
static size_t read_whole(struct seekable_reader *reader, size_t max)
{
	for (size_t done = 0, want; done < max; done += want) {
		want = max - done < STEP_BYTES ? max - done : STEP_BYTES;
		ssize_t n = seekable_reader_pread(reader, whole + done, want, done);

		assert(n == (ssize_t)want || n == -EBADMSG);
		if (n < 0)
			return done;
	}
	return max;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_fd int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct seekable_reader *reader;

	assert(fd >= 0 && fd_write_all(fd, data, size) == 0);
	int r = seekable_reader_new(fd, &reader);
	if (r < 0) {
		assert(r == -EBADMSG);
		return 0;
	}
	uint64_t total = seekable_reader_size(reader);
	assert(seekable_reader_pread(reader, part, 1, total) == 0);
	assert(seekable_reader_pread(reader, part, RAW_MAX, UINT64_MAX) == 0);

	/* Shorter and shorter ranges, further and further on. */
	size_t good = read_whole(reader, total < RAW_MAX ? (size_t)total : RAW_MAX);
	for (size_t len = good; len > 0; len /= 2) {
		size_t offset = (good - len) / 3 * 2;

		assert(seekable_reader_pread(reader, part, len, offset) == (ssize_t)len);
		assert(memcmp(part, whole + offset, len) == 0);
	}
	seekable_reader_free(&reader);
	return 0;
}
