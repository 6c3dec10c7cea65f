/* SPDX-License-Identifier: MIT */
/*
 * zoo: what its files share: a table of cases, and how memory is made and marked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE ((size_t)4096)
#define MIB  ((size_t)1 << 20)

struct zoo_case {
	const char *name; /* at most 15 bytes: it becomes the process's comm */
	/* Sets the scene, and returns: then the process crashes; or crashes by itself. */
	void (*build)(void);
	unsigned filter;   /* coredump_filter; ZOO_FILTER_KEEP: as it is */
	bool marked;	   /* zoo_mark has to be found in the core */
	const char *needs; /* what not every kernel has; NULL: it may never be left out */
};

#define ZOO_FILTER_KEEP (~0U)
#define ZOO_FILTER_ALL	0x1ffU

/* A word that a debugger finds again in the core; where: NULL if the case's memory is not in it. */
struct zoo_mark {
	const volatile uintptr_t *where;
	uintptr_t word;
};
extern struct zoo_mark zoo_mark;

/* The memory cases, ended by one without a name. */
extern const struct zoo_case zoo_memory_cases[];
extern const struct zoo_case zoo_key_cases[];
extern const struct zoo_case zoo_special_cases[];
extern const struct zoo_case zoo_fuse_cases[];

_Noreturn void zoo_fail(const char *what);
_Noreturn void zoo_lacks(const char *what);
void zoo_check(bool ok, const char *what);
void zoo_crash(void);
void *zoo_map(size_t bytes, int flags, int fd);
void *zoo_anon(size_t bytes);
void zoo_fill(void *start, size_t bytes);
void zoo_touch(const void *start, size_t bytes);
int zoo_memfd(size_t bytes);
int zoo_file(size_t bytes);
