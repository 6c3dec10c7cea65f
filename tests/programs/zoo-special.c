// SPDX-License-Identifier: MIT
/*
 * zoo: memory that not every kernel has, or that the test has to prepare: swap, huge pages of
 * hugetlbfs, KSM, userfaultfd, guard pages, rings of io_uring.  Input: none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "zoo.h"

#define HUGE_BYTES (2 * MIB)
#define WAIT_TRIES 1000 /* of 10 ms */

/* Newer than Debian 12's headers. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef __NR_mseal
#define __NR_mseal 462
#endif

static void sleep_10ms(void)
{
	const struct timespec time = { 0, 10000000 };

	nanosleep(&time, NULL);
}

/* --- swap, KSM, policies -----------------------------------------------------------------------
 */

/* All of this process; shared memory too, which VmSwap of status leaves out. */
static size_t swapped_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	size_t kib = 0;
	char line[128];

	zoo_check(file, "smaps_rollup");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Swap: %zu kB", &kib) == 1)
			break;
	fclose(file);
	return kib << 10;
}

/* Asks until most of it is out; pages are now and then busy. */
static void swap_out(char *start, size_t bytes)
{
	size_t before = swapped_bytes();

	for (int i = 0; i < WAIT_TRIES / 10; i++) {
		zoo_check(madvise(start, bytes, MADV_PAGEOUT) == 0, "MADV_PAGEOUT");
		if (swapped_bytes() > before + bytes / 2)
			return;
		sleep_10ms();
	}
	errno = ENOMEM;
	zoo_lacks("nothing is swapped out");
}

static void build_swapped(void)
{
	char *p = zoo_anon(8 * MIB);

	zoo_fill(p, 8 * MIB);
	swap_out(p, 8 * MIB);
	zoo_touch(p + 3 * MIB, MIB);		       /* in again */
	memset(p + 4 * MIB, 's', 10 * PAGE);	       /* and changed */
	madvise(p + 5 * MIB, 9 * PAGE, MADV_DONTNEED); /* gone altogether */
	zoo_check(mprotect(p + 6 * MIB, MIB, PROT_NONE) == 0, "mprotect");
	zoo_check(swapped_bytes() > 0, "in again, all of it");
}

static void build_swapped_shared(void)
{
	int fd = zoo_memfd(4 * MIB);
	char *p = zoo_map(4 * MIB, MAP_SHARED, fd), *q = zoo_map(4 * MIB, MAP_PRIVATE, fd);

	zoo_fill(p, 4 * MIB);
	memset(q + MIB, 'q', MIB);
	swap_out(p, 4 * MIB);
	swap_out(q + MIB, MIB);
}

static void build_swapped_thp(void)
{
	char *p = zoo_anon(8 * MIB);

	p = (char *)(((uintptr_t)p + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
	zoo_check(madvise(p, 6 * MIB, MADV_HUGEPAGE) == 0, "MADV_HUGEPAGE");
	zoo_fill(p, 6 * MIB);
	swap_out(p, 4 * MIB);
}

static long merged_pages(void)
{
	FILE *file = fopen("/proc/self/ksm_merging_pages", "re");
	long count = -1;

	if (!file || fscanf(file, "%ld", &count) != 1)
		zoo_lacks("ksm_merging_pages");
	fclose(file);
	return count;
}

/* Pages that are equal become one. */
static void build_ksm(void)
{
	char *p = zoo_anon(MIB);

	for (size_t i = 0; i < MIB; i += 64)
		memcpy(p + i, "the same in every page", 23);
	memset(p + MIB / 2, 0, MIB / 4);
	if (madvise(p, MIB, MADV_MERGEABLE) < 0)
		zoo_lacks("MADV_MERGEABLE");
	for (int i = 0; merged_pages() < 100; i++) {
		if (i == WAIT_TRIES)
			zoo_lacks("nothing is merged");
		sleep_10ms();
	}
	zoo_fill(p + 5 * PAGE, PAGE);
}

static void build_policy(void)
{
	char *p = zoo_anon(4 * MIB);
	unsigned long node_0 = 1;

	if (syscall(__NR_mbind, p, MIB, MPOL_BIND, &node_0, 8 * sizeof(node_0), 0) < 0 ||
	    syscall(__NR_mbind, p + MIB, MIB, MPOL_INTERLEAVE, &node_0, 8 * sizeof(node_0), 0) < 0)
		zoo_lacks("mbind");
	zoo_fill(p, 4 * MIB);
}

static void build_hugetlb(void)
{
	char *p = mmap(NULL, 3 * HUGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	int fd = memfd_create("zoo-huge", MFD_CLOEXEC | MFD_HUGETLB);

	if (p == MAP_FAILED || fd < 0 || ftruncate(fd, (off_t)(2 * HUGE_BYTES)) < 0)
		zoo_lacks("huge pages");
	char *q = mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (q == MAP_FAILED)
		zoo_lacks("shared huge pages");
	zoo_fill(q + HUGE_BYTES, MIB);
	/* More than there are, and without a claim to them. */
	void *none = mmap(NULL, 64 * HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	zoo_check(none != MAP_FAILED, "huge pages that are not there");
	zoo_fill(p + HUGE_BYTES, HUGE_BYTES);
}

/* --- pages that cannot be looked at ------------------------------------------------------------
 */

static int uffd_register(void *start, size_t bytes, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .range = { (uintptr_t)start, bytes }, .mode = mode };
	int fd = (int)syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (mode == UFFDIO_REGISTER_MODE_MINOR)
		api.features = UFFD_FEATURE_MINOR_SHMEM;
	if (mode == UFFDIO_REGISTER_MODE_WP)
		api.features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		zoo_lacks("userfaultfd");
	return fd;
}

/* Nobody answers: who touches a missing page waits for ever. */
static void build_uffd_missing(void)
{
	char *p = zoo_anon(4 * MIB), *q = zoo_map(4 * MIB, MAP_SHARED, zoo_memfd(4 * MIB));

	zoo_fill(p + MIB, MIB);
	uffd_register(p, 4 * MIB, UFFDIO_REGISTER_MODE_MISSING);
	zoo_check(madvise(q, 2 * MIB, MADV_REMOVE) == 0, "MADV_REMOVE");
	uffd_register(q, 4 * MIB, UFFDIO_REGISTER_MODE_MISSING);
}

/* In the page cache, but not in the page tables. */
static void build_uffd_minor(void)
{
	char *p = zoo_map(2 * MIB, MAP_SHARED, zoo_memfd(2 * MIB));

	zoo_fill(p, MIB);
	uffd_register(p, 2 * MIB, UFFDIO_REGISTER_MODE_MINOR);
}

static void build_uffd_wp(void)
{
	char *p = zoo_anon(2 * MIB), *q = zoo_map(2 * MIB, MAP_SHARED, zoo_memfd(2 * MIB));
	struct uffdio_writeprotect first = { .range = { (uintptr_t)p, MIB },
					     .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffdio_writeprotect second = { .range = { (uintptr_t)q, MIB },
					      .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	zoo_fill(q, MIB / 2);
	zoo_fill(p, MIB / 2);
	if (ioctl(uffd_register(p, 2 * MIB, UFFDIO_REGISTER_MODE_WP), UFFDIO_WRITEPROTECT,
		  &first) ||
	    ioctl(uffd_register(q, 2 * MIB, UFFDIO_REGISTER_MODE_WP), UFFDIO_WRITEPROTECT, &second))
		zoo_lacks("UFFDIO_WRITEPROTECT");
}

static void *touch_page(void *page)
{
	zoo_touch(page, PAGE);
	return NULL;
}

/* A thread waits for a missing page while another one crashes. */
static void build_uffd_waits(void)
{
	char *p = zoo_anon(4 * MIB);
	int fd = uffd_register(p, 2 * MIB, UFFDIO_REGISTER_MODE_MISSING);
	struct uffd_msg message;
	pthread_t thread;

	zoo_check(pthread_create(&thread, NULL, touch_page, p + MIB) == 0, "pthread_create");
	while (read(fd, &message, sizeof(message)) != sizeof(message))
		sleep_10ms();
	zoo_fill(p + 2 * MIB, 2 * MIB);
}

static void build_guard(void)
{
	char *p = zoo_anon(2 * MIB);

	zoo_fill(p, 2 * MIB);
	for (size_t i = 0; i < MIB; i += 16 * PAGE)
		if (madvise(p + i, 3 * PAGE, MADV_GUARD_INSTALL) < 0)
			zoo_lacks("MADV_GUARD_INSTALL");
	char *q = zoo_anon(64 * PAGE);
	zoo_check(madvise(q, 32 * PAGE, MADV_GUARD_INSTALL) == 0, "MADV_GUARD_INSTALL");
	memset(q + 32 * PAGE, 'g', PAGE);
}

/* Code that may be run but not read: where the processor can tell that apart, by a key. */
static void build_exec_only(void)
{
	char *p = zoo_anon(MIB);

	zoo_fill(p, MIB);
	zoo_check(mprotect(p, MIB, PROT_EXEC) == 0, "mprotect");
}

/* Closed to the thread itself. */
static void build_pkey(void)
{
	char *p = zoo_anon(MIB);
	int key = pkey_alloc(0, 0);

	if (key < 0)
		zoo_lacks("pkey_alloc");
	zoo_fill(p, MIB);
	zoo_check(pkey_mprotect(p, MIB, PROT_READ | PROT_WRITE, key) == 0, "pkey_mprotect");
	zoo_check(pkey_set(key, PKEY_DISABLE_ACCESS) == 0, "pkey_set");
}

/* Closed to its writing only, as compilers at run time do it. */
static void build_pkey_read(void)
{
	char *p = zoo_anon(MIB);
	int key = pkey_alloc(0, 0);

	if (key < 0)
		zoo_lacks("pkey_alloc");
	zoo_fill(p, MIB);
	zoo_check(pkey_mprotect(p, MIB, PROT_READ | PROT_WRITE, key) == 0, "pkey_mprotect");
	zoo_check(pkey_set(key, PKEY_DISABLE_WRITE) == 0, "pkey_set");
}

static void build_secret(void)
{
	int fd = (int)syscall(__NR_memfd_secret, O_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)MIB) < 0)
		zoo_lacks("memfd_secret");
	char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		zoo_lacks("memfd_secret"); /* RLIMIT_MEMLOCK */
	zoo_fill(p, MIB);
	zoo_fill(zoo_anon(MIB), MIB);
}

static void build_droppable(void)
{
	char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		zoo_lacks("MAP_DROPPABLE");
	zoo_fill(p, MIB);
	zoo_fill(zoo_anon(MIB), MIB);
}

static void build_sealed(void)
{
	char *p = zoo_anon(MIB);

	zoo_fill(p, MIB);
	if (syscall(__NR_mseal, p, MIB, 0UL) < 0)
		zoo_lacks("mseal");
}

/* --- shared with the kernel --------------------------------------------------------------------
 */

static void build_io_uring(void)
{
	struct io_uring_params params = { .flags = 0 };
	int fd = (int)syscall(__NR_io_uring_setup, 64, &params);

	if (fd < 0)
		zoo_lacks("io_uring_setup");
	char *ring = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			  IORING_OFF_SQ_RING);
	struct io_uring_sqe *entries = mmap(NULL, 64 * sizeof(*entries), PROT_READ | PROT_WRITE,
					    MAP_SHARED, fd, (off_t)IORING_OFF_SQES);
	if (ring == MAP_FAILED)
		ring = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	zoo_check(ring != MAP_FAILED && entries != MAP_FAILED, "rings");
	*(unsigned *)(void *)(ring + params.sq_off.array) = 0;
	memset(entries, 0, sizeof(*entries));
	entries->opcode = IORING_OP_NOP;
	entries->user_data = 0x5a6f6f;
	__atomic_store_n((unsigned *)(void *)(ring + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	zoo_check(syscall(__NR_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1,
		  "io_uring_enter");
	zoo_fill(zoo_anon(MIB), MIB);
}

/* The ring of the older interface is memory of a file without a name: in every core. */
static void build_aio(void)
{
	aio_context_t context = 0;

	if (syscall(__NR_io_setup, 128, &context) < 0)
		zoo_lacks("io_setup");
	zoo_fill(zoo_anon(MIB), MIB);
}

/* Pages of a device, as far as it goes: the kernel's own counters. */
static void build_perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_PAGE_FAULTS,
					.disabled = 1 };
	int fd = (int)syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		zoo_lacks("perf_event_open");
	if (mmap(NULL, 9 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		zoo_lacks("perf's ring");
	zoo_fill(zoo_anon(MIB), MIB);
}

/* Not the kernel's bytes, see verify.bats, hence apart. */
const struct zoo_case zoo_key_cases[] = {
	{ "exec-only", build_exec_only, ZOO_FILTER_KEEP, true, NULL },
	{ "pkey", build_pkey, ZOO_FILTER_KEEP, true, "pkeys" },
	{ 0 },
};

const struct zoo_case zoo_special_cases[] = {
	{ "swapped", build_swapped, ZOO_FILTER_KEEP, true, "swap" },
	{ "swapped-shared", build_swapped_shared, 0x7f, true, "swap" },
	{ "swapped-thp", build_swapped_thp, ZOO_FILTER_KEEP, true, "swap" },
	{ "ksm", build_ksm, ZOO_FILTER_KEEP, true, "KSM" },
	{ "policy", build_policy, ZOO_FILTER_KEEP, true, "CONFIG_NUMA" },
	{ "hugetlb", build_hugetlb, ZOO_FILTER_KEEP, true, "hugepages" },
	{ "hugetlb-1ff", build_hugetlb, ZOO_FILTER_ALL, true, "hugepages" },
	{ "hugetlb-1f", build_hugetlb, 0x1f, false, "hugepages" },
	{ "uffd-missing", build_uffd_missing, ZOO_FILTER_KEEP, true, "userfaultfd" },
	{ "uffd-minor", build_uffd_minor, ZOO_FILTER_KEEP, false, "userfaultfd, Linux 5.14" },
	{ "uffd-wp", build_uffd_wp, ZOO_FILTER_KEEP, true, "userfaultfd, Linux 5.19" },
	{ "uffd-waits", build_uffd_waits, ZOO_FILTER_KEEP, true, "userfaultfd" },
	{ "guard", build_guard, ZOO_FILTER_KEEP, true, "Linux 6.13" },
	{ "pkey-read", build_pkey_read, ZOO_FILTER_KEEP, true, "pkeys" },
	{ "secret", build_secret, ZOO_FILTER_ALL, true, "CONFIG_SECRETMEM" },
	{ "droppable", build_droppable, ZOO_FILTER_ALL, true, "Linux 6.11" },
	{ "sealed", build_sealed, ZOO_FILTER_KEEP, true, "Linux 6.10" },
	{ "io-uring", build_io_uring, ZOO_FILTER_ALL, true, "io_uring" },
	{ "aio", build_aio, ZOO_FILTER_KEEP, true, "CONFIG_AIO" },
	{ "perf", build_perf, ZOO_FILTER_ALL, true, "perf events" },
	{ 0 },
};
