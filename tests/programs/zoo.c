// SPDX-License-Identifier: MIT
/*
 * zoo: victims of every kind, for `coreferry-helper --verify`: each builds memory, or a process, of
 * which a core can go wrong, fills it with words that tell their own address, and crashes.  Input:
 * the test's own command line.  It must never leave a process behind.
 *
 * usage: zoo CASE | zoo --list
 *   CASE    crashes.  A case in which a child crashes ends with 0 once that has happened.  77: this
 *           kernel does not give what the case is made of; 2: usage, 3: the scene could not be set
 *   --list  a line a case: its name, "marked" or "-", "always" or what not every kernel has
 *
 * A file, zoo.data, is made in the working directory.
 */
#include "zoo.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS	     64
#define LIFE_SECONDS 120 /* of any process of ours, whatever happens */

struct zoo_mark zoo_mark;

static const struct zoo_case *running;
static pthread_barrier_t all_wait;

/* The scene could not be set: ends with 3. */
_Noreturn void zoo_fail(const char *what)
{
	fprintf(stderr, "zoo: %s: %s: %s\n", running ? running->name : "-", what, strerror(errno));
	_exit(3);
}

/* This kernel has no such thing: ends with 77 if the case says that this may be. */
_Noreturn void zoo_lacks(const char *what)
{
	if (!running->needs)
		zoo_fail(what);
	fprintf(stderr, "zoo: %s: left out: %s: %s (needs %s)\n", running->name, what,
		strerror(errno), running->needs);
	_exit(77);
}

/* zoo_fail(what) unless ok. */
void zoo_check(bool ok, const char *what)
{
	if (!ok)
		zoo_fail(what);
}

/* SIGSEGV, at an address that is the kernel's. */
__attribute__((noinline)) void zoo_crash(void)
{
	*(volatile int *)(uintptr_t)-8192L = 1;
}

/* Readable and writable; MAP_PRIVATE if flags name neither kind. Never fails. */
void *zoo_map(size_t bytes, int flags, int fd)
{
	if (!(flags & (MAP_SHARED | MAP_PRIVATE)))
		flags |= MAP_PRIVATE;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	zoo_check(p != MAP_FAILED, "mmap");
	return p;
}

/* Anonymous and private, and not merged with a neighbour: there is a gap around it. */
void *zoo_anon(size_t bytes)
{
	char *p = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	zoo_check(p != MAP_FAILED, "mmap");
	zoo_check(mprotect(p + PAGE, bytes, PROT_READ | PROT_WRITE) == 0, "mprotect");
	return p + PAGE;
}

static uintptr_t word_of(const volatile uintptr_t *where)
{
	return (uintptr_t)where * 0x9e3779b1U ^ 0x5a6f6f21U;
}

/* Each word tells where it is; the last one is the mark. */
void zoo_fill(void *start, size_t bytes)
{
	uintptr_t *words = start;
	size_t count = bytes / sizeof(*words);

	for (size_t i = 0; i < count; i++)
		words[i] = word_of(&words[i]);
	zoo_mark = (struct zoo_mark){ &words[count - 1], words[count - 1] };
}

/* Reads a byte of each page. */
void zoo_touch(const void *start, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		(void)((const volatile char *)start)[i];
}

/* A file in memory that has no name; full of words. */
int zoo_memfd(size_t bytes)
{
	int fd = memfd_create("zoo", MFD_CLOEXEC);

	zoo_check(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "memfd");
	void *p = zoo_map(bytes, MAP_SHARED, fd);
	zoo_fill(p, bytes);
	munmap(p, bytes);
	return fd;
}

/* A file that has a name, on a disk; full of words. */
int zoo_file(size_t bytes)
{
	int fd = open("zoo.data", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	zoo_check(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "zoo.data");
	void *p = zoo_map(bytes, MAP_SHARED, fd);
	zoo_fill(p, bytes);
	munmap(p, bytes);
	return fd;
}

/* --- processes and threads ---------------------------------------------------------------------
 */

static void sleep_ms(long ms)
{
	const struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

_Noreturn static void wait_for_ever(void)
{
	for (;;)
		pause();
}

/* A child that lives no longer than we do. */
static pid_t child_start(void)
{
	pid_t pid = fork();

	zoo_check(pid >= 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LIFE_SECONDS);
	}
	return pid;
}

/* For the case's end where it is the child that has crashed. */
_Noreturn static void child_reap(pid_t pid)
{
	int status;

	zoo_check(waitpid(pid, &status, 0) == pid, "waitpid");
	errno = 0;
	zoo_check(WIFSIGNALED(status) && WCOREDUMP(status), "the child left no core");
	_exit(0);
}

static void *thread_waits(void *arg)
{
	static __thread uintptr_t own[PAGE / sizeof(uintptr_t)];
	uintptr_t stack[64];

	(void)arg;
	zoo_fill(own, sizeof(own));
	zoo_fill(stack, sizeof(stack));
	pthread_barrier_wait(&all_wait);
	wait_for_ever();
}

static void threads_start(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	zoo_check(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, MIB / 4) == 0,
		  "stack");
	pthread_barrier_init(&all_wait, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		zoo_check(pthread_create(&thread, &attr, thread_waits, NULL) == 0,
			  "pthread_create");
	pthread_attr_destroy(&attr);
	pthread_barrier_wait(&all_wait);
}

static void build_threads(void)
{
	threads_start();
	zoo_fill(zoo_anon(MIB), MIB);
}

/* Returns when a task is in a state, such as Z. See: proc(5) */
static void wait_for_state(const char *stat_path, char wanted)
{
	char line[256], state = 0;

	while (state != wanted) {
		FILE *file = fopen(stat_path, "re");

		zoo_check(file, stat_path);
		const char *end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
		state = (char)(end ? end[2] : 0);
		fclose(file);
		sleep_ms(1);
	}
}

static void *thread_crashes_alone(void *arg)
{
	char path[64];

	(void)arg;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	wait_for_state(path, 'Z');
	zoo_crash();
	return NULL;
}

static void build_leader_exited(void)
{
	pthread_t thread;

	threads_start();
	zoo_fill(zoo_anon(MIB), MIB);
	zoo_check(pthread_create(&thread, NULL, thread_crashes_alone, NULL) == 0, "pthread_create");
	pthread_exit(NULL);
}

/* A heap of which every fourth page is no longer shared with the other process. */
static void rewrite_some(char *heap, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4 * PAGE)
		memset(heap + i, 'w', PAGE / 2);
}

static void build_fork_child(void)
{
	char *heap = zoo_anon(8 * MIB);

	zoo_fill(heap, 8 * MIB);
	pid_t pid = child_start();
	if (pid > 0)
		child_reap(pid);
	rewrite_some(heap, 8 * MIB);
}

static void build_fork_parent(void)
{
	char *heap = zoo_anon(8 * MIB);

	zoo_fill(heap, 8 * MIB);
	if (child_start() == 0)
		wait_for_ever();
	rewrite_some(heap, 8 * MIB);
}

/* The parent sleeps in the kernel, and its memory is what is dumped. */
static void build_vfork(void)
{
	zoo_fill(zoo_anon(MIB), MIB);
	pid_t pid = vfork();

	zoo_check(pid >= 0, "vfork");
	if (pid == 0) {
		zoo_crash();
		_exit(3);
	}
	child_reap(pid);
}

static int pause_for_ever(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	wait_for_ever();
}

/* Another process, no thread of ours, that has the same memory and lives on. */
static void build_clone_vm(void)
{
	char *stack = zoo_anon(64 * PAGE), path[64];
	pid_t pid = clone(pause_for_ever, stack + 64 * PAGE, CLONE_VM | SIGCHLD, NULL);

	zoo_check(pid > 0, "clone");
	zoo_fill(zoo_anon(MIB), MIB);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	wait_for_state(path, 'S');
}

static void build_traced(void)
{
	int status = 0;
	pid_t pid = child_start();

	if (pid == 0) {
		zoo_fill(zoo_anon(MIB), MIB);
		zoo_check(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0, "PTRACE_TRACEME");
		return;
	}
	zoo_check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "waitpid");
	zoo_check(ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status)) == 0, "PTRACE_CONT");
	child_reap(pid);
}

/* Memory that another process writes to all the time: no two readers can find the same. */
static void build_shared_writer(void)
{
	volatile unsigned *words = zoo_map(MIB, MAP_SHARED | MAP_ANONYMOUS, -1);

	if (child_start() == 0)
		for (unsigned n = 1;; n++)
			for (size_t i = 0; i < MIB / sizeof(*words); i += 64)
				words[i] = n;
	while (!words[0])
		sched_yield();
}

/* The program itself is a file without a name. */
static void build_memfd_exe(void)
{
	char *const argv[] = { (char[]){ "zoo" }, (char[]){ "memfd-exe" }, NULL };
	char *const environment[] = { (char[]){ "ZOO_AGAIN=1" }, NULL };
	char buf[1 << 16];
	ssize_t n;

	if (!getenv("ZOO_AGAIN")) {
		int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		int to = memfd_create("zoo", MFD_CLOEXEC);

		while ((n = read(from, buf, sizeof(buf))) > 0)
			zoo_check(write(to, buf, (size_t)n) == n, "write");
		fexecve(to, argv, environment);
		zoo_lacks("fexecve");
	}
	zoo_fill(zoo_anon(MIB), MIB);
}

static const struct zoo_case process_cases[] = {
	{ "threads-64", build_threads, ZOO_FILTER_KEEP, true, NULL },
	{ "leader-exited", build_leader_exited, ZOO_FILTER_KEEP, true, NULL },
	{ "fork-child", build_fork_child, ZOO_FILTER_KEEP, true, NULL },
	{ "fork-parent", build_fork_parent, ZOO_FILTER_KEEP, true, NULL },
	{ "vfork", build_vfork, ZOO_FILTER_KEEP, true, NULL },
	{ "clone-vm", build_clone_vm, ZOO_FILTER_KEEP, true, NULL },
	{ "traced", build_traced, ZOO_FILTER_KEEP, true, NULL },
	{ "memfd-exe", build_memfd_exe, ZOO_FILTER_ALL, true, "vm.memfd_noexec < 2" },
	{ "shared-writer", build_shared_writer, ZOO_FILTER_KEEP, false, NULL },
	{ 0 },
};

static const struct zoo_case *const all_cases[] = { process_cases, zoo_memory_cases, zoo_key_cases,
						    zoo_special_cases, zoo_fuse_cases };

static void filter_set(unsigned filter)
{
	FILE *file = fopen("/proc/self/coredump_filter", "we");

	zoo_check(file && fprintf(file, "%#x", filter) > 0 && fclose(file) == 0, "coredump_filter");
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && strcmp(argv[1], "--list") == 0;

	for (size_t i = 0; i < sizeof(all_cases) / sizeof(all_cases[0]); i++)
		for (const struct zoo_case *c = all_cases[i]; c->name; c++) {
			if (list)
				printf("%s %s %s\n", c->name, c->marked ? "marked" : "-",
				       c->needs ? c->needs : "always");
			else if (argc == 2 && strcmp(argv[1], c->name) == 0)
				running = c;
		}
	if (list)
		return fflush(stdout) == 0 ? 0 : 3;
	if (!running) {
		fprintf(stderr, "zoo: which case? see zoo --list\n");
		return 2;
	}
	alarm(LIFE_SECONDS);
	zoo_check(prctl(PR_SET_NAME, running->name) == 0, "comm");
	if (running->filter != ZOO_FILTER_KEEP)
		filter_set(running->filter);
	running->build();
	zoo_crash();
	return 3;
}
