// SPDX-License-Identifier: MIT
/*
 * How long a core ought to be, from its own headers: a dump that was cut off (the victim was killed
 * while it dumped) ends before.
 *
 * Every number in the headers is checked before it is used; nothing is allocated by their measure.
 * See: elf(5), and fs/binfmt_elf.c for PN_XNUM.
 */
#include "elf-core.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

/* The kernel's own limit of mappings is 65,530 unless it was raised; notes are one more. */
#define ELF_PHDRS_MAX (4U << 20)
#define ELF_BATCH     64

/* What of a header and of a program header counts, whichever the word size. */
struct header {
	unsigned char class;
	uint64_t phoff, shoff;
	uint32_t phnum;
	uint16_t phentsize, shentsize;
};

static int read_exactly(elf_core_read_fn read_fn, void *context, void *buf, size_t len,
			uint64_t offset)
{
	ssize_t n = read_fn(context, buf, len, offset);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENODATA;
}

static int read_header(elf_core_read_fn read_fn, void *context, struct header *h)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr wide;
		Elf32_Ehdr narrow;
	} e;
	int r = read_exactly(read_fn, context, &e, sizeof(e.narrow), 0);

	if (r < 0)
		return r == -ENODATA ? -EINVAL : r;
	if (memcmp(e.ident, ELFMAG, SELFMAG) != 0)
		return -EINVAL;
	h->class = e.ident[EI_CLASS];
	if (h->class == ELFCLASS32) {
		if (e.narrow.e_type != ET_CORE)
			return -EINVAL;
		h->phoff = e.narrow.e_phoff;
		h->shoff = e.narrow.e_shoff;
		h->phnum = e.narrow.e_phnum;
		h->phentsize = e.narrow.e_phentsize;
		h->shentsize = e.narrow.e_shentsize;
		return h->phentsize == sizeof(Elf32_Phdr) ? 0 : -EINVAL;
	}
	r = read_exactly(read_fn, context, &e, sizeof(e.wide), 0);
	if (r < 0)
		return r == -ENODATA ? -EINVAL : r;
	if (h->class != ELFCLASS64 || e.wide.e_type != ET_CORE)
		return -EINVAL;
	h->phoff = e.wide.e_phoff;
	h->shoff = e.wide.e_shoff;
	h->phnum = e.wide.e_phnum;
	h->phentsize = e.wide.e_phentsize;
	h->shentsize = e.wide.e_shentsize;
	return h->phentsize == sizeof(Elf64_Phdr) ? 0 : -EINVAL;
}

/* With 65,535 or more program headers the number stands in the one section header, at the very end.
 */
static int read_extended_count(elf_core_read_fn read_fn, void *context, struct header *h,
			       uint64_t *end)
{
	union {
		Elf64_Shdr wide;
		Elf32_Shdr narrow;
	} s;
	size_t len = h->class == ELFCLASS64 ? sizeof(s.wide) : sizeof(s.narrow);

	if (h->phnum != PN_XNUM)
		return 0;
	if (h->shentsize != len || h->shoff == 0 ||
	    __builtin_add_overflow(h->shoff, (uint64_t)len, end))
		return -EINVAL;
	int r = read_exactly(read_fn, context, &s, len, h->shoff);
	if (r < 0)
		return r;
	h->phnum = h->class == ELFCLASS64 ? s.wide.sh_info : s.narrow.sh_info;
	return 0;
}

static int segment_end(const struct header *h, const void *p, uint64_t *ret_end)
{
	uint64_t offset, size;

	if (h->class == ELFCLASS64) {
		Elf64_Phdr phdr;

		memcpy(&phdr, p, sizeof(phdr));
		offset = phdr.p_offset;
		size = phdr.p_filesz;
	} else {
		Elf32_Phdr phdr;

		memcpy(&phdr, p, sizeof(phdr));
		offset = phdr.p_offset;
		size = phdr.p_filesz;
	}
	return __builtin_add_overflow(offset, size, ret_end) ? -EINVAL : 0;
}

/*
 * The size in bytes that an ELF core must have by its headers.  0; -EINVAL: not an ELF core;
 * -ENODATA: it ends within its headers; or what read_fn failed with.
 */
int elf_core_expected_size(elf_core_read_fn read_fn, void *context, uint64_t *ret_size)
{
	unsigned char batch[ELF_BATCH * sizeof(Elf64_Phdr)];
	struct header h;
	uint64_t size = 0, end = 0;
	int r = read_header(read_fn, context, &h);

	if (r == 0)
		r = read_extended_count(read_fn, context, &h, &size);
	if (r < 0)
		return r;
	if (h.phnum > ELF_PHDRS_MAX || h.phoff > INT64_MAX)
		return -EINVAL;

	for (uint32_t done = 0; done < h.phnum;) {
		uint32_t count = h.phnum - done < ELF_BATCH ? h.phnum - done : ELF_BATCH;

		r = read_exactly(read_fn, context, batch, (size_t)count * h.phentsize,
				 h.phoff + (uint64_t)done * h.phentsize);
		for (uint32_t i = 0; i < count && r == 0; i++) {
			r = segment_end(&h, batch + (size_t)i * h.phentsize, &end);
			if (r == 0 && end > size)
				size = end;
		}
		if (r < 0)
			return r;
		done += count;
	}
	*ret_size = size;
	return 0;
}
