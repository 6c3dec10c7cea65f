// SPDX-License-Identifier: MIT
/*
 * zoo: memory as every kernel gives it: anonymous, of files, shared, protected, advised, at the
 * ends of the address space.  Input: none.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zoo.h"

#define SMALL_MAPPINGS 20000 /* vm.max_map_count is 65530 */

/* Pages that were written to, only read (the kernel's page of zeros), and never seen. */
static void build_untouched(void)
{
	char *p = zoo_anon(64 * MIB);

	zoo_touch(p + 8 * MIB, 4 * MIB);
	for (size_t i = 16 * MIB; i < 24 * MIB; i += 2 * PAGE)
		memset(p + i, 'e', 8);
	for (size_t i = 24 * MIB; i < 32 * MIB; i += 2 * PAGE) {
		memset(p + i, 'e', 8);
		zoo_touch(p + i + PAGE, PAGE);
	}
	zoo_fill(p + 64 * MIB - PAGE, PAGE);
}

static void build_prot_none(void)
{
	char *p = zoo_anon(3 * MIB);

	zoo_fill(p, 3 * MIB);
	zoo_check(mprotect(p, 3 * MIB, PROT_NONE) == 0, "mprotect");
	/* Reserved, as allocators do, and some of it used once. */
	p = mmap(NULL, 128 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	zoo_check(p != MAP_FAILED, "mmap");
	zoo_check(mprotect(p + MIB, MIB, PROT_READ | PROT_WRITE) == 0, "mprotect");
	zoo_fill(p + MIB, MIB);
	zoo_check(mprotect(p + MIB, MIB, PROT_NONE) == 0, "mprotect");
}

/* Each page of another protection than its neighbours; PROT_EXEC alone is a case of its own. */
static void build_prot_all(void)
{
	char *p = zoo_anon(64 * PAGE);

	zoo_fill(p, 64 * PAGE);
	for (int i = 0; i < 64; i++)
		zoo_check(mprotect(p + (size_t)i * PAGE, PAGE,
				   (i & 7) == PROT_EXEC ? PROT_NONE : i & 7) == 0,
			  "mprotect");
}

/* One mapping; a tenth of it at each advice. */
static void build_advised(void)
{
	static const int advice[] = { MADV_DONTNEED, MADV_FREE,	      MADV_COLD,      MADV_DONTFORK,
				      MADV_RANDOM,   MADV_SEQUENTIAL, MADV_WIPEONFORK };
	char *p = zoo_anon(8 * MIB);

	zoo_fill(p, 8 * MIB);
	for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++)
		zoo_check(madvise(p + i * MIB, MIB - 3 * PAGE, advice[i]) == 0, "madvise");
}

static void build_dontdump(void)
{
	char *p = zoo_anon(3 * MIB);

	zoo_fill(p, 2 * MIB);
	zoo_check(madvise(p + MIB, MIB, MADV_DONTDUMP) == 0, "MADV_DONTDUMP");
	zoo_fill(p + 2 * MIB, MIB);
}

/* Huge pages: whole, with a hole, with a page given back, in two mappings, of zeros, shared. */
static void build_thp(void)
{
	char *p = zoo_anon(16 * MIB);

	p = (char *)(((uintptr_t)p + 2 * MIB - 1) & ~(uintptr_t)(2 * MIB - 1));
	zoo_check(madvise(p, 14 * MIB, MADV_HUGEPAGE) == 0, "MADV_HUGEPAGE");
	zoo_fill(p, 8 * MIB);
	zoo_touch(p + 8 * MIB, 2 * MIB);
	zoo_touch(p + 10 * MIB, 2 * MIB);
	memset(p + 11 * MIB, 'h', 8);
	zoo_check(munmap(p + 2 * MIB + 7 * PAGE, PAGE) == 0, "munmap");
	zoo_check(madvise(p + 4 * MIB + 9 * PAGE, PAGE, MADV_DONTNEED) == 0, "MADV_DONTNEED");
	zoo_check(mprotect(p + 6 * MIB + 100 * PAGE, 3 * PAGE, PROT_READ) == 0, "mprotect");
}

/* --- of files ----------------------------------------------------------------------------------
 */

/* A page is our own, the next is still the file's; some were never looked at. */
static void modify_some(char *p, size_t bytes)
{
	zoo_touch(p, bytes / 2);
	for (size_t i = 0; i < bytes / 4; i += 3 * PAGE)
		memcpy(p + i + 16, "modified", 8);
}

static void build_private_file(void)
{
	char *p = zoo_map(4 * MIB, MAP_PRIVATE, zoo_file(4 * MIB));

	modify_some(p, 4 * MIB);
	zoo_fill(p + 3 * MIB, PAGE);
	p = zoo_map(4 * MIB, MAP_PRIVATE, zoo_memfd(4 * MIB));
	modify_some(p, 4 * MIB);
	zoo_fill(p + 3 * MIB, PAGE);
}

static void build_shared_file(void)
{
	char *p = zoo_map(4 * MIB, MAP_SHARED, zoo_file(4 * MIB));

	modify_some(p, 4 * MIB);
	zoo_fill(p + 3 * MIB, MIB);
}

/* Not in the page cache when it is dumped. */
static void build_cold_file(void)
{
	int fd = zoo_file(4 * MIB);
	char *p = zoo_map(4 * MIB, MAP_PRIVATE, fd);

	modify_some(p, 4 * MIB);
	zoo_check(madvise(p, 4 * MIB, MADV_PAGEOUT) == 0, "MADV_PAGEOUT");
	zoo_check(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
}

static void make_sparse(int fd)
{
	zoo_check(ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)(64 * MIB)) == 0, "ftruncate");
	for (size_t i = 0; i < 64; i += 7)
		zoo_check(pwrite(fd, "sparse", 6, (off_t)(i * MIB + 100)) == 6, "pwrite");
}

static void build_sparse_file(void)
{
	int file = zoo_file(MIB), memfd = zoo_memfd(MIB);

	make_sparse(file);
	make_sparse(memfd);
	zoo_touch(zoo_map(64 * MIB, MAP_SHARED, file), 2 * MIB);
	zoo_touch(zoo_map(64 * MIB, MAP_PRIVATE, memfd), 2 * MIB);
	zoo_fill(zoo_map(64 * MIB, MAP_SHARED, memfd), MIB);
}

/* Cut below the mapping, in the middle of a page: what lies behind cannot be read. */
static void build_truncated(void)
{
	for (int i = 0; i < 4; i++) {
		int fd = i & 1 ? zoo_memfd(2 * MIB) : zoo_file(2 * MIB);
		char *p = zoo_map(2 * MIB, i & 2 ? MAP_SHARED : MAP_PRIVATE, fd);

		modify_some(p, 2 * MIB);
		/* Our own pages behind a file's end go with it. */
		zoo_fill(p + MIB - PAGE, 4 * PAGE);
		zoo_check(ftruncate(fd, (off_t)(MIB + 100)) == 0, "ftruncate");
		zoo_fill(p, PAGE);
	}
}

static void build_sigbus(void)
{
	int fd = zoo_memfd(2 * MIB);
	char *p = zoo_map(2 * MIB, MAP_SHARED, fd);

	zoo_fill(p, PAGE);
	zoo_check(ftruncate(fd, (off_t)PAGE) == 0, "ftruncate");
	zoo_touch(p + MIB, PAGE);
}

/* Longer than its file, from its middle, read-only; and a hole punched into memory in use. */
static void build_file_ends(void)
{
	int fd = zoo_file(3 * PAGE), memfd = zoo_memfd(MIB);
	char *p;

	zoo_check(ftruncate(fd, 5000) == 0, "ftruncate");
	zoo_map(8 * PAGE, MAP_PRIVATE, fd);
	p = mmap(NULL, 8 * PAGE, PROT_READ, MAP_PRIVATE, fd, (off_t)PAGE);
	zoo_check(p != MAP_FAILED, "mmap");
	p = zoo_map(MIB, MAP_SHARED, memfd);
	zoo_check(fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(8 * PAGE),
			    (off_t)(8 * PAGE)) == 0,
		  "fallocate");
	zoo_fill(p + 64 * PAGE, PAGE);
}

/* Of each kind one, for the values of coredump_filter. See: core(5) */
static void build_all_kinds(void)
{
	int fd = zoo_file(MIB);

	modify_some(zoo_map(MIB, MAP_PRIVATE, fd), MIB);
	modify_some(zoo_map(MIB, MAP_SHARED, fd), MIB);
	modify_some(zoo_map(MIB, MAP_PRIVATE, zoo_memfd(MIB)), MIB);
	modify_some(zoo_map(MIB, MAP_SHARED, zoo_memfd(MIB)), MIB);
	zoo_fill(zoo_map(MIB, MAP_SHARED | MAP_ANONYMOUS, -1), MIB);
	/* A library, written to: its first page, and one that is code. */
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE,
		       open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0);
	zoo_check(p != MAP_FAILED, "mmap");
	memcpy(p + PAGE, "breakpoint", 10);
	zoo_fill(zoo_anon(MIB), MIB);
}

static void build_shared_anon(void)
{
	char *p = zoo_map(32 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);

	zoo_touch(p, MIB);
	zoo_fill(p + 9 * MIB, MIB);
}

/* The first segment of an IPC namespace has inode 0 in maps, as what is anonymous has. */
static void build_sysv(void)
{
	zoo_check(unshare(CLONE_NEWIPC) == 0, "CLONE_NEWIPC");
	int id = shmget(IPC_PRIVATE, 2 * MIB, IPC_CREAT | 0600);

	zoo_check(id == 0, "the first shmget");
	char *segment = shmat(id, NULL, 0);
	const char *read_only = shmat(id, NULL, SHM_RDONLY), *untouched = shmat(id, NULL, 0);
	zoo_check((intptr_t)segment != -1 && (intptr_t)read_only != -1 && (intptr_t)untouched != -1,
		  "shmat");
	zoo_check(shmctl(id, IPC_RMID, NULL) == 0, "IPC_RMID");
	zoo_fill(segment, MIB);
	zoo_touch(read_only, MIB / 2);
}

static void build_dev_zero(void)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	char *p = zoo_map(8 * MIB, MAP_PRIVATE, fd);

	zoo_touch(p, MIB);
	zoo_fill(p + 2 * MIB, MIB);
	zoo_fill(zoo_map(2 * MIB, MAP_SHARED, fd), MIB);
}

/* --- where it lies -----------------------------------------------------------------------------
 */

static char *map_at(uintptr_t address, size_t bytes)
{
	char *p = mmap((void *)address, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The lowest page that there may be, and the highest. */
static void build_low_and_high(void)
{
	unsigned long lowest = 0;
	FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "re");

	zoo_check(file && fscanf(file, "%lu", &lowest) == 1, "mmap_min_addr");
	fclose(file);
	char *low = map_at(lowest, 16 * PAGE);
	zoo_check(low, "the lowest page");
	zoo_fill(low, 16 * PAGE);
#ifdef __LP64__
	char *high = map_at(0x7fffffffe000, PAGE);
	zoo_check(high, "the highest page");
	zoo_fill(high, PAGE);
#endif
}

/* All over the address space, half of them touched. */
static void build_many_maps(void)
{
#ifdef __LP64__
	const uintptr_t top = 0x7ffff0000000, step = top / SMALL_MAPPINGS & ~(PAGE - 1);
#else
	const uintptr_t top = 0xf0000000, step = 32 * PAGE;
#endif
	size_t made = 0, page = 0;

	/* A third near the top, a third near the bottom, a third in between. */
	for (uintptr_t i = 1; i <= SMALL_MAPPINGS; i++) {
		uintptr_t at = i % 3 == 0   ? i * step
			       : i % 3 == 1 ? top - i * 2 * PAGE
					    : 16 * MIB + i * 2 * PAGE;
		char *p = map_at(at & ~(PAGE - 1), PAGE);

		if (!p)
			continue; /* a library is there */
		made++;
		if (page++ & 1)
			zoo_fill(p, PAGE);
	}
	zoo_check(made > SMALL_MAPPINGS * 9 / 10, "too many mappings were in the way");
}

__attribute__((noinline)) static size_t stack_use(size_t depth)
{
	volatile uintptr_t frame[1024];

	for (size_t i = 0; i < 1024; i++)
		frame[i] = (uintptr_t)&frame[i];
	if (depth > 0)
		return stack_use(depth - 1) + frame[depth & 1023];
	zoo_crash();
	return 0;
}

/* Stacks grow: our own, and a mapping; the main thread is deep in it. */
static void build_growsdown(void)
{
	char *p = zoo_map(4 * MIB, MAP_ANONYMOUS | MAP_NORESERVE, -1);

	/* The kernel keeps 1 MiB free below a stack. */
	zoo_check(munmap(p, 4 * MIB) == 0, "munmap");
	p = mmap(p + 4 * MIB - PAGE, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	zoo_check(p != MAP_FAILED, "MAP_GROWSDOWN");
	for (volatile char *at = p; at > p - 64 * PAGE; at -= PAGE)
		*at = 'g';
	zoo_fill(p - 64 * PAGE, 4 * PAGE);
	stack_use(100);
}

static void build_mremap(void)
{
	char *p = zoo_anon(4 * MIB), *q = zoo_map(4 * MIB, MAP_SHARED, zoo_memfd(4 * MIB));

	zoo_fill(p, 4 * MIB);
	p = mremap(p, 2 * MIB, 6 * MIB, MREMAP_MAYMOVE);
	zoo_check(p != MAP_FAILED, "mremap: longer");
	p = mremap(p + MIB, MIB, MIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	zoo_check(p != MAP_FAILED, "MREMAP_DONTUNMAP");
	/* Of a shared mapping, a length of 0 makes a second one. */
	q = mremap(q, 0, MIB, MREMAP_MAYMOVE);
	zoo_check(q != MAP_FAILED, "mremap: twice");
	zoo_fill(q, PAGE);
	zoo_fill(p, PAGE);
}

static void build_locked(void)
{
	char *p = zoo_anon(4 * MIB);

	zoo_check(mlock(p, MIB) == 0 && mlock2(p + MIB, 2 * MIB, MLOCK_ONFAULT) == 0, "mlock");
	zoo_fill(p + MIB, PAGE);
	zoo_fill(zoo_map(MIB, MAP_ANONYMOUS | MAP_POPULATE, -1), MIB);
	char *heap = sbrk(4 * (intptr_t)MIB);
	zoo_check((intptr_t)heap != -1, "sbrk");
	zoo_fill(heap + MIB, MIB);
}

#define EVERYWHERE(name, build, filter, marked)   \
	{                                         \
		name, build, filter, marked, NULL \
	}

const struct zoo_case zoo_memory_cases[] = {
	EVERYWHERE("untouched", build_untouched, ZOO_FILTER_KEEP, true),
	EVERYWHERE("prot-none", build_prot_none, ZOO_FILTER_KEEP, true),
	EVERYWHERE("prot-all", build_prot_all, ZOO_FILTER_KEEP, true),
	EVERYWHERE("advised", build_advised, ZOO_FILTER_KEEP, true),
	EVERYWHERE("dontdump", build_dontdump, ZOO_FILTER_KEEP, true),
	EVERYWHERE("thp", build_thp, ZOO_FILTER_KEEP, true),
	EVERYWHERE("private-file", build_private_file, ZOO_FILTER_KEEP, true),
	EVERYWHERE("private-file-7f", build_private_file, 0x7f, true),
	EVERYWHERE("shared-file", build_shared_file, 0x7f, true),
	EVERYWHERE("cold-file", build_cold_file, 0x7f, true),
	EVERYWHERE("sparse-file", build_sparse_file, 0x7f, true),
	EVERYWHERE("truncated", build_truncated, 0x7f, true),
	EVERYWHERE("sigbus", build_sigbus, ZOO_FILTER_KEEP, true),
	EVERYWHERE("file-ends", build_file_ends, 0x7f, true),
	EVERYWHERE("filter-00", build_all_kinds, 0x00, false),
	EVERYWHERE("filter-01", build_all_kinds, 0x01, true),
	EVERYWHERE("filter-0e", build_all_kinds, 0x0e, false),
	EVERYWHERE("filter-10", build_all_kinds, 0x10, false),
	EVERYWHERE("filter-33", build_all_kinds, 0x33, true),
	EVERYWHERE("filter-37", build_all_kinds, 0x37, true),
	EVERYWHERE("filter-7f", build_all_kinds, 0x7f, true),
	EVERYWHERE("filter-1ff", build_all_kinds, ZOO_FILTER_ALL, true),
	EVERYWHERE("shared-anon", build_shared_anon, ZOO_FILTER_KEEP, true),
	EVERYWHERE("sysv", build_sysv, ZOO_FILTER_KEEP, true),
	EVERYWHERE("dev-zero", build_dev_zero, ZOO_FILTER_KEEP, true),
	EVERYWHERE("low-and-high", build_low_and_high, ZOO_FILTER_KEEP, true),
	EVERYWHERE("many-maps", build_many_maps, ZOO_FILTER_KEEP, true),
	EVERYWHERE("growsdown", build_growsdown, ZOO_FILTER_KEEP, true),
	EVERYWHERE("mremap", build_mremap, ZOO_FILTER_KEEP, true),
	EVERYWHERE("locked", build_locked, ZOO_FILTER_KEEP, true),
	{ 0 },
};
