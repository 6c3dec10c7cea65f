// SPDX-License-Identifier: MIT
/*
 * crasher: a program that crashes for real, in the way a test asks for. Input: the test's own
 * command line; the process is a victim, and what it holds in memory is meant to be looked at in
 * its core. It must crash exactly where it says, so it never catches a signal, and it exits with 2
 * (usage) or 3 (it could not set the scene) otherwise.
 *
 * usage: crasher [--crash main|thread|leader-exited|none] [--signal NAME|NUMBER] [--threads N]
 * [--heap MIB] [--random]
 *                [--map MIB] [--comm NAME] [--sleep-before MS] [--setgid GID] [--setuid UID]
 * [--dumpable 0|1]
 *   --crash         who crashes: the main thread (default), the first other thread, that thread
 * after the main one has exited, or nobody: "none" says that it is ready and waits to be killed
 * (reaper --kill)
 *   --signal        segv (default), abrt, bus, fpe, ill: by doing what causes it; trap, quit, sys,
 * xcpu, xfsz, N: raised
 *   --threads       so many other threads (0 to 4096), which wait in worker_waits()
 *   --heap, --map   so much anonymous memory that is written to, --random: with random bytes; or
 * that is not touched
 *   --setuid, ...   become that user (from root); --dumpable 1 is then the default, 0 is what a
 * set-uid program has RLIMIT_CORE is always raised to infinity. If CRASHER_FD names a descriptor,
 * CLOCK_MONOTONIC and CLOCK_PROCESS_CPUTIME_ID in ns (8 bytes each) are written to it directly
 * before the crash.
 */
#include <getopt.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 4096L
#define MIB_MAX	    (1L << 24) /* 16 TiB: more than any address space test needs */
#define PAGE_BYTES  4096UL

enum crash { CRASH_MAIN, CRASH_THREAD, CRASH_LEADER_EXITED, CRASH_NONE };

struct options {
	enum crash crash;
	int signal;
	long threads;
	long heap_mib;
	long map_mib;
	bool random;
	const char *comm;
	long sleep_ms;
	long uid;
	long gid;
	long dumpable;
};

static const struct {
	const char *name;
	int signal;
} signal_names[] = {
	{ "segv", SIGSEGV }, { "abrt", SIGABRT }, { "bus", SIGBUS },   { "fpe", SIGFPE },
	{ "ill", SIGILL },   { "trap", SIGTRAP }, { "quit", SIGQUIT }, { "sys", SIGSYS },
	{ "xcpu", SIGXCPU }, { "xfsz", SIGXFSZ },
};

static int time_fd = -1;
static volatile int *volatile nowhere;
static volatile int zero;
static _Atomic long waiting; /* threads that have reached worker_waits() */

static void fail(const char *what)
{
	perror(what);
	_exit(3);
}

static void usage(const char *why)
{
	fprintf(stderr, "crasher: %s; see the head of tests/programs/crasher.c\n", why);
	exit(2);
}

static long number(const char *text, long min, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < min || value > max)
		usage("a number is out of range");
	return value;
}

static int signal_parse(const char *text)
{
	for (size_t i = 0; i < sizeof(signal_names) / sizeof(signal_names[0]); i++)
		if (!strcmp(text, signal_names[i].name))
			return signal_names[i].signal;
	return (int)number(text, 1, 64);
}

static enum crash crash_parse(const char *text)
{
	static const char *const names[] = { "main", "thread", "leader-exited", "none" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(text, names[i]))
			return (enum crash)i;
	usage("--crash takes main, thread, leader-exited or none");
	return CRASH_MAIN;
}

static void stamp(void)
{
	struct timespec now, cpu;
	uint64_t ns[2];

	if (time_fd < 0)
		return;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns[0] = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	ns[1] = (uint64_t)cpu.tv_sec * 1000000000 + (uint64_t)cpu.tv_nsec;
	if (write(time_fd, ns, sizeof(ns)) != sizeof(ns))
		fail("CRASHER_FD");
}

/* A page of a file that has become shorter cannot be read. See: mmap(2) */
static void bus_error(void)
{
	int fd = memfd_create("crasher-bus", MFD_CLOEXEC);
	volatile char *page;

	page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || page == MAP_FAILED)
		fail("mmap");
	stamp();
	(void)*page;
}

__attribute__((noinline)) static void crash_here(int sig)
{
	if (sig == SIGBUS)
		bus_error();
	stamp();
	switch (sig) {
	case SIGSEGV:
		*nowhere = 1;
		break;
	case SIGABRT:
		abort();
	case SIGFPE:
		zero = 1 / zero; /* does not trap everywhere: see raise() below */
		break;
	case SIGILL:
		__builtin_trap();
	default:
		break;
	}
	raise(sig);
	_exit(3);
}

__attribute__((noinline, noreturn)) static void worker_waits(void)
{
	waiting++;
	for (;;)
		pause();
}

static void *worker(void *arg)
{
	(void)arg;
	worker_waits();
}

/* The state letter in /proc/self/task/PID/stat of a leader that has called pthread_exit() is Z.
 * See: proc(5) */
static bool leader_exited(void)
{
	char path[64], line[512];
	const char *end = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	file = fopen(path, "re");
	if (!file)
		return true;
	if (fgets(line, sizeof(line), file))
		end = strrchr(line, ')');
	fclose(file);
	return end && end[1] && end[2] == 'Z';
}

static void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, (ms % 1000) * 1000000 };

	while (nanosleep(&time, &time) < 0)
		;
}

/* Returns when so many threads are where a backtrace is to find them. */
static void wait_for_waiting(long threads)
{
	while (waiting < threads)
		sleep_ms(1);
}

static void crash_when_all_wait(const struct options *o)
{
	wait_for_waiting(o->threads + (o->crash == CRASH_THREAD));
	if (o->crash == CRASH_LEADER_EXITED)
		while (!leader_exited())
			sleep_ms(1);
	sleep_ms(o->sleep_ms);
	crash_here(o->signal);
}

static void *crashing_thread(void *arg)
{
	crash_when_all_wait(arg);
	return NULL;
}

static void memory_fill(const struct options *o)
{
	size_t bytes = (size_t)o->heap_mib << 20;
	uint64_t state = 0x9e3779b97f4a7c15 ^ (uint64_t)getpid(), *words;

	if (o->map_mib) {
		char *map = mmap(NULL, (size_t)o->map_mib << 20, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (map == MAP_FAILED)
			fail("mmap --map");
		map[0] = 1; /* a mapping without a single page is left out of the core */
	}
	if (!bytes)
		return;
	words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		fail("mmap --heap");
	for (size_t i = 0; i < bytes / sizeof(*words); i++) {
		state ^= state << 13, state ^= state >> 7, state ^= state << 17;
		words[i] = o->random ? state : i % 4 ? 0x10000 + i % 64 : state & 0xffffff;
	}
}

static void thread_start(void *(*run)(void *), const void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (pthread_attr_init(&attr) || pthread_attr_setstacksize(&attr, 128 << 10) ||
	    pthread_create(&thread, &attr, run, (void *)(uintptr_t)arg))
		fail("pthread_create");
	pthread_attr_destroy(&attr);
}

/* A change of the user id makes a process undumpable; an ordinary user's process is not. See:
 * prctl(2) */
static void user_become(const struct options *o)
{
	if (o->gid >= 0 && (setgroups(0, NULL) < 0 || setgid((gid_t)o->gid) < 0))
		fail("--setgid");
	if (o->uid >= 0 && setuid((uid_t)o->uid) < 0)
		fail("--setuid");
	if (o->dumpable >= 0 || o->uid >= 0 || o->gid >= 0)
		if (prctl(PR_SET_DUMPABLE, o->dumpable != 0) < 0)
			fail("--dumpable");
}

static void options_parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "crash", 1, 0, 'c' },	 { "signal", 1, 0, 's' },   { "threads", 1, 0, 't' },
		{ "heap", 1, 0, 'h' },	 { "map", 1, 0, 'm' },	    { "random", 0, 0, 'r' },
		{ "comm", 1, 0, 'n' },	 { "setuid", 1, 0, 'u' },   { "sleep-before", 1, 0, 'b' },
		{ "setgid", 1, 0, 'g' }, { "dumpable", 1, 0, 'd' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->crash = crash_parse(optarg);
			break;
		case 's':
			o->signal = signal_parse(optarg);
			break;
		case 't':
			o->threads = number(optarg, 0, THREADS_MAX);
			break;
		case 'h':
			o->heap_mib = number(optarg, 0, MIB_MAX);
			break;
		case 'm':
			o->map_mib = number(optarg, 0, MIB_MAX);
			break;
		case 'r':
			o->random = true;
			break;
		case 'n':
			o->comm = optarg;
			break;
		case 'b':
			o->sleep_ms = number(optarg, 0, 3600000);
			break;
		case 'u':
			o->uid = number(optarg, 0, UINT32_MAX - 1L);
			break;
		case 'g':
			o->gid = number(optarg, 0, UINT32_MAX - 1L);
			break;
		case 'd':
			o->dumpable = number(optarg, 0, 1);
			break;
		default:
			usage("unknown option");
		}
	}
	if (optind != argc)
		usage("too many arguments");
}

int main(int argc, char **argv)
{
	struct options o = { .signal = SIGSEGV, .uid = -1, .gid = -1, .dumpable = -1 };
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	const char *fd = getenv("CRASHER_FD");

	options_parse(argc, argv, &o);
	if (fd)
		time_fd = (int)number(fd, 0, 1 << 20);
	if (setrlimit(RLIMIT_CORE, &unlimited) < 0)
		fail("RLIMIT_CORE (the hard limit has to be infinity)");
	user_become(&o);
	if (o.comm && prctl(PR_SET_NAME, o.comm) < 0)
		fail("--comm");
	memory_fill(&o);
	for (long i = 0; i < o.threads; i++)
		thread_start(worker, NULL);
	if (o.crash == CRASH_NONE) {
		wait_for_waiting(o.threads);
		stamp();
		worker_waits();
	}
	if (o.crash != CRASH_MAIN) {
		static struct options shared; /* the leader's stack may go before it is read */

		shared = o;
		thread_start(crashing_thread, &shared);
		if (o.crash == CRASH_LEADER_EXITED)
			pthread_exit(NULL);
		worker_waits();
	}
	crash_when_all_wait(&o);
}
