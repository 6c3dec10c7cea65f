// SPDX-License-Identifier: MIT
/*
 * Which memory belongs where in the core.  Pure.
 *
 * The headers are the kernel's, but they describe the victim's memory, and maps holds its file
 * names: every number is checked, and whatever is not as a kernel writes it is refused (the core is
 * then taken from the pipe).  See: elf(5), proc(5), fs/binfmt_elf.c.
 */
#include "memory-map.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

#define PAGE_BYTES 4096U

/* What of the ELF header counts, whichever the word size. */
struct header {
	bool wide;
	size_t size, phentsize; /* bytes: of this header, of a program header */
	size_t phnum;
};

static int check_header(const void *head, size_t len, struct header *ret_header)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf64_Ehdr wide;
		Elf32_Ehdr narrow;
	} e;

	if (len < sizeof(e))
		return -EINVAL;
	memcpy(&e, head, sizeof(e));
	bool wide = e.ident[EI_CLASS] == ELFCLASS64;
	uint64_t type = wide ? e.wide.e_type : e.narrow.e_type;
	uint64_t phoff = wide ? e.wide.e_phoff : e.narrow.e_phoff;
	struct header h = { .wide = wide,
			    .size = wide ? sizeof(e.wide) : sizeof(e.narrow),
			    .phentsize = wide ? e.wide.e_phentsize : e.narrow.e_phentsize,
			    .phnum = wide ? e.wide.e_phnum : e.narrow.e_phnum };
	/* 65,535 mappings and more: their number stands at the end of the core, out of reach here.
	 */
	if (memcmp(e.ident, ELFMAG, SELFMAG) != 0 || (!wide && e.ident[EI_CLASS] != ELFCLASS32) ||
	    type != ET_CORE || h.phentsize != (wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
	    h.phnum == 0 || h.phnum == PN_XNUM || phoff != h.size)
		return -EINVAL;
	*ret_header = h;
	return 0;
}

/*
 * How many bytes of the stream hold ELF header and program headers; header: its first 64 bytes.
 * 0, or -EINVAL: not a core, or one that has to be taken from the pipe.
 */
int memory_map_header_size(const void *header, size_t len, uint64_t *ret_size)
{
	struct header h;
	int r = check_header(header, len, &h);

	if (r < 0)
		return r;
	*ret_size = h.size + h.phnum * h.phentsize;
	return 0;
}

/* Program header i, in its wide form. */
static Elf64_Phdr phdr_at(const void *head, const struct header *h, size_t i)
{
	const char *at = (const char *)head + h->size + i * h->phentsize;
	Elf64_Phdr wide;
	Elf32_Phdr narrow;

	if (h->wide) {
		memcpy(&wide, at, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, at, sizeof(narrow));
	return (Elf64_Phdr){ .p_type = narrow.p_type,
			     .p_offset = narrow.p_offset,
			     .p_vaddr = narrow.p_vaddr,
			     .p_filesz = narrow.p_filesz,
			     .p_memsz = narrow.p_memsz };
}

/* One line of maps: true, and the mapping's start and whether it is anonymous. */
static bool parse_maps_line(const char *line, uint64_t *ret_start, bool *ret_anonymous)
{
	unsigned long long start, end, offset, inode;
	char permissions[5], device[16];
	int n = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %15s %llu%n", &start, &end, permissions, &offset,
		   device, &inode, &n) != 6)
		return false;
	const char *name = line + n + strspn(line + n, " ");
	bool special = strncmp(name, "[v", 2) == 0; /* [vvar], [vdso], [vsyscall] */
	/* A file may have the inode 0: a FUSE server chooses. */
	bool named = *name != '\0' && *name != '\n' && *name != '[';

	*ret_start = start;
	*ret_anonymous = inode == 0 && permissions[3] == 'p' && !special && !named;
	return true;
}

/* Both lists are in the order of addresses: one walk through them. */
static void mark_anonymous(struct memory_map *map, const char *maps)
{
	size_t i = 0;

	for (const char *line = maps; line && *line; line = strchr(line, '\n')) {
		uint64_t start;
		bool anonymous;

		line += *line == '\n';
		if (!parse_maps_line(line, &start, &anonymous))
			continue;
		while (i < map->count && map->segments[i].address < start)
			i++;
		if (i < map->count && map->segments[i].address == start)
			map->segments[i].anonymous = anonymous;
	}
}

static int take_segment(struct memory_map *map, const Elf64_Phdr *p)
{
	const struct memory_segment *last = map->count ? &map->segments[map->count - 1] : NULL;
	uint64_t end;

	if (p->p_type != PT_LOAD || p->p_filesz == 0)
		return 0;
	if (p->p_filesz > p->p_memsz || p->p_vaddr % PAGE_BYTES || p->p_offset % PAGE_BYTES ||
	    p->p_filesz % PAGE_BYTES || p->p_offset > INT64_MAX ||
	    __builtin_add_overflow(p->p_offset, p->p_filesz, &end) || end > INT64_MAX ||
	    p->p_vaddr > UINT64_MAX - p->p_filesz)
		return -EINVAL;
	/* The kernel writes one behind the other, without gaps, by rising addresses. */
	if (last && (p->p_offset != last->offset + last->size || p->p_vaddr <= last->address))
		return -EINVAL;
	map->segments[map->count++] = (struct memory_segment){ .address = p->p_vaddr,
							       .offset = p->p_offset,
							       .size = p->p_filesz };
	map->core_size = end;
	return 0;
}

/*
 * Reads the program headers (head: memory_map_header_size() bytes).  maps: text of /proc/PID/maps.
 * 0 (memory_map_release() it); -EINVAL: not as the kernel writes it; -ENOMEM.
 */
int memory_map_parse(const void *head, size_t len, const char *maps, struct memory_map *ret_map)
{
	struct memory_map map = { NULL, 0, 0, 0 };
	struct header h;
	int r = check_header(head, len, &h);

	if (r < 0 || len < h.size + h.phnum * h.phentsize)
		return -EINVAL;
	map.segments = calloc(h.phnum, sizeof(*map.segments));
	if (!map.segments)
		return -ENOMEM;
	for (size_t i = 0; i < h.phnum && r == 0; i++) {
		Elf64_Phdr p = phdr_at(head, &h, i);

		r = take_segment(&map, &p);
	}
	if (r == 0 && (map.count == 0 || map.segments[0].offset < len))
		r = -EINVAL;
	if (r < 0) {
		memory_map_release(&map);
		return r;
	}
	map.data_offset = map.segments[0].offset;
	mark_anonymous(&map, maps);
	*ret_map = map;
	return 0;
}

/* Frees what it owns. */
void memory_map_release(struct memory_map *map)
{
	free(map->segments);
	*map = (struct memory_map){ NULL, 0, 0, 0 };
}
