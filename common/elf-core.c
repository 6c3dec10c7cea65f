// SPDX-License-Identifier: MIT
/*
 * How long a core ought to be, from its own headers: a dump that was cut off (the victim was killed
 * while it dumped) ends before.  And the address that its process faulted at.
 *
 * Every number in the headers is checked before it is used; nothing is allocated by their measure.
 * See: elf(5), and fs/binfmt_elf.c for PN_XNUM.
 */
#include "elf-core.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

/* The kernel's own limit of mappings is 65,530 unless it was raised; notes are one more. */
#define ELF_PHDRS_MAX (4U << 20)
#define ELF_BATCH     64
/* The kernel writes siginfo as the third note. */
#define ELF_NOTES_MAX 16
#define ELF_SIGINFO   0x53494749U /* NT_SIGINFO */

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

static int read_first_phdr(elf_core_read_fn read_fn, void *context, const struct header *h,
			   uint64_t *ret_offset, uint64_t *ret_size)
{
	union {
		Elf64_Phdr wide;
		Elf32_Phdr narrow;
	} p;
	int r = read_exactly(read_fn, context, &p, h->phentsize, h->phoff);
	bool wide = h->class == ELFCLASS64;

	if (r < 0)
		return r;
	if ((wide ? p.wide.p_type : p.narrow.p_type) != PT_NOTE)
		return -ENOENT;
	*ret_offset = wide ? p.wide.p_offset : p.narrow.p_offset;
	*ret_size = wide ? p.wide.p_filesz : p.narrow.p_filesz;
	return *ret_offset > INT64_MAX || *ret_size > INT64_MAX ? -EINVAL : 0;
}

/* The address in a siginfo_t: of signals that the processor raised, not of sent ones. */
static int read_siginfo(elf_core_read_fn read_fn, void *context, const struct header *h,
			uint64_t offset, uint64_t *ret_address)
{
	int32_t words[8]; /* si_signo, si_errno, si_code; the address at byte 12, or 16 */
	uint32_t narrow;
	int r = read_exactly(read_fn, context, words, sizeof(words), offset);

	if (r < 0)
		return r;
	bool raised = words[0] == SIGSEGV || words[0] == SIGBUS || words[0] == SIGILL ||
		      words[0] == SIGFPE || words[0] == SIGTRAP;
	if (!raised || words[2] <= 0)
		return -ENOENT;
	if (h->class == ELFCLASS64) {
		memcpy(ret_address, &words[4], sizeof(*ret_address));
	} else {
		memcpy(&narrow, &words[3], sizeof(narrow));
		*ret_address = narrow;
	}
	return 0;
}

/*
 * The address at which the process faulted.  0; -ENOENT: none (a signal that was sent, an abort);
 * -EINVAL: not an ELF core; -ENODATA: it ends before; or what read_fn failed with.
 */
int elf_core_fault_address(elf_core_read_fn read_fn, void *context, uint64_t *ret_address)
{
	uint64_t offset = 0, size = 0, done = 0;
	struct header h;
	Elf64_Nhdr note; /* the same in both classes */
	int r = read_header(read_fn, context, &h);

	if (r == 0 && (h.phnum == 0 || h.phoff > INT64_MAX))
		r = -EINVAL;
	if (r == 0)
		r = read_first_phdr(read_fn, context, &h, &offset, &size);
	for (int i = 0; r == 0 && i < ELF_NOTES_MAX && done + sizeof(note) <= size; i++) {
		r = read_exactly(read_fn, context, &note, sizeof(note), offset + done);
		if (r < 0)
			return r;
		uint64_t name = ((uint64_t)note.n_namesz + 3) & ~3ULL;
		uint64_t desc = ((uint64_t)note.n_descsz + 3) & ~3ULL;
		if (note.n_type == ELF_SIGINFO)
			return read_siginfo(read_fn, context, &h,
					    offset + done + sizeof(note) + name, ret_address);
		done += sizeof(note) + name + desc;
	}
	return r < 0 ? r : -ENOENT;
}
