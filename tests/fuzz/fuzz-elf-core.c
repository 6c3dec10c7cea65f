// SPDX-License-Identifier: MIT
/*
 * common/elf-core.c: the headers of a core, in a file that someone else may have made.
 *
 * The headers are read in pieces that fit the stack, a bounded number of them, and no size is told
 * unless all of them were there: then the same file, but longer, tells the same size.
 */
#include "elf-core.h"

#include <errno.h>

#include "fuzz.h"

#define PIECE_MAX 4096

struct file {
	const uint8_t *bytes;
	size_t len, zeros; /* the zeros behind the bytes */
	size_t reads;
};

static ssize_t read_file(void *context, void *buf, size_t len, uint64_t offset)
{
	struct file *f = context;
	size_t end = f->len + f->zeros;

	assert(len > 0 && len <= PIECE_MAX);
	/* The header in two, the section header, each batch of program headers, a few notes, and an
	 * end. */
	assert(++f->reads <= 32 + end / 2048);
	memset(buf, 0, len);
	if (offset >= end)
		return 0;
	if (len > end - offset)
		len = end - (size_t)offset;
	if (offset < f->len)
		memcpy(buf, f->bytes + offset, len < f->len - offset ? len : f->len - offset);
	return (ssize_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file file = { .bytes = data, .len = size };
	struct file longer = { .bytes = data, .len = size, .zeros = 1 };
	uint64_t expected = 42, again = 42;

	int r = elf_core_expected_size(read_file, &file, &expected);
	assert(r == 0 || ((r == -EINVAL || r == -ENODATA) && expected == 42));
	if (r == 0) {
		assert(elf_core_expected_size(read_file, &longer, &again) == 0);
		assert(again == expected);
	}

	file.reads = 0;
	expected = 42;
	r = elf_core_fault_address(read_file, &file, &expected);
	assert(r == 0 || ((r == -EINVAL || r == -ENODATA || r == -ENOENT) && expected == 42));
	return 0;
}
