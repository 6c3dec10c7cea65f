// SPDX-License-Identifier: MIT
/*
 * witness: tells what it is and where, as a victim before it crashes and as a delegate that takes
 * the core, so that a test can compare both. Input: the test's own command line, and a core.
 * Static, and in need of no file but itself: it runs in the barest container.
 *
 * usage: witness crash     tells, and crashes (SIGSEGV)
 *        witness take      as a delegate: "core BYTES CRC32" of its standard input, and then tells
 * One line per thing, "NAME VALUE..."; what a place has no /proc for is left out.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

static int compare_gids(const void *a, const void *b)
{
	const gid_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void tell_ids(void)
{
	gid_t r, e, s, groups[1024];
	uid_t ru, eu, su;
	int n = getgroups(1024, groups);

	if (getresuid(&ru, &eu, &su) < 0 || getresgid(&r, &e, &s) < 0 || n < 0)
		fail("ids");
	qsort(groups, (size_t)n, sizeof(*groups), compare_gids);
	printf("uid %u %u %u\ngid %u %u %u\ngroups", ru, eu, su, r, e, s);
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	puts("");
}

static void tell_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	uint64_t bounding = 0, ambient = 0;

	if (syscall(SYS_capget, &header, d) < 0)
		fail("capget");
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			bounding |= 1ULL << cap;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			ambient |= 1ULL << cap;
	}
	printf("capabilities %08x%08x %08x%08x %08x%08x %016llx %016llx\n", d[1].inheritable,
	       d[0].inheritable, d[1].permitted, d[0].permitted, d[1].effective, d[0].effective,
	       (unsigned long long)bounding, (unsigned long long)ambient);
}

static void tell_place(void)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };
	char text[256] = "";
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(text, sizeof(text), "/proc/self/ns/%s", names[i]);
		if (stat(text, &st) == 0)
			printf("ns-%s %llu\n", names[i], (unsigned long long)st.st_ino);
	}
	if (gethostname(text, sizeof(text)) < 0)
		fail("gethostname");
	printf("hostname %s\n", text);
	for (const char *name = "/"; name; name = *name == '/' ? "." : NULL) {
		if (stat(name, &st) < 0)
			fail(name);
		printf("directory %s %llu:%llu\n", name, (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	}
}

static uint32_t crc32_add(uint32_t crc, const unsigned char *data, size_t len)
{
	static uint32_t table[256];

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320U : 0);
	}
	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
	return ~crc;
}

static void take_core(void)
{
	static unsigned char buf[1 << 16];
	unsigned long long size = 0;
	uint32_t crc = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0) {
		crc = crc32_add(crc, buf, (size_t)n);
		size += (unsigned long long)n;
	}
	if (n < 0)
		fail("read");
	printf("core %llu %08x\n", size, crc);
}

int main(int argc, char **argv)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	volatile int *volatile nowhere = NULL;

	if (argc != 2 || (strcmp(argv[1], "crash") != 0 && strcmp(argv[1], "take") != 0)) {
		fprintf(stderr, "usage: witness crash|take\n");
		return 2;
	}
	if (argv[1][0] == 't')
		take_core();
	tell_ids();
	tell_capabilities();
	tell_place();
	if (fflush(stdout) != 0)
		fail("stdout");
	if (argv[1][0] == 't')
		return 0;
	/* The hard limit may be lower, in a container: the soft one up to it. */
	if (setrlimit(RLIMIT_CORE, &unlimited) < 0 && errno != EPERM)
		fail("setrlimit");
	*nowhere = 1;
	return 3;
}
