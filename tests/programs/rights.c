// SPDX-License-Identifier: MIT
/*
 * rights: writes down, as JSON, everything that a process can see of its own rights; a victim runs
 * it before it crashes, a delegate after, and tests/system/rights-compare.py lays both side by
 * side. Input: the test's own command line.
 *
 * usage: rights FILE [--crash] [--setuid UID]
 *   stdin is read to its end first, if this is a delegate (no --crash).  Each probe of a system
 * call has arguments that the kernel must refuse: only how it refuses is of interest.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static void put_string(FILE *out, const char *text, size_t len)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_number(FILE *out, const char *name, long long value)
{
	fprintf(out, "\"%s\": %lld,\n", name, value);
}

/* A file of /proc as it stands; "" where it cannot be read. */
static void put_file(FILE *out, const char *name, const char *path)
{
	static char text[256 << 10];
	size_t len = 0;
	int fd = open(path, O_RDONLY);

	for (ssize_t n = 1; fd >= 0 && n > 0 && len<sizeof(text); len += n> 0 ? (size_t)n : 0)
		n = read(fd, text + len, sizeof(text) - len);
	if (fd >= 0)
		close(fd);
	fprintf(out, "\"%s\": ", name);
	put_string(out, text, len);
	fputs(",\n", out);
}

static void put_namespaces(FILE *out)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };

	fputs("\"namespaces\": {", out);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[64], link[64] = "";

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (readlink(path, link, sizeof(link) - 1) < 0)
			link[0] = '\0';
		fprintf(out, "%s\"%s\": \"%s\"", i ? ", " : "", names[i], link);
	}
	fputs("},\n", out);
}

static void put_limits(FILE *out)
{
	fputs("\"limits\": [", out);
	for (int i = 0; i < RLIMIT_NLIMITS; i++) {
		struct rlimit limit = { 0, 0 };

		(void)getrlimit((__rlimit_resource_t)i, &limit);
		fprintf(out, "%s[%llu, %llu]", i ? ", " : "", (unsigned long long)limit.rlim_cur,
			(unsigned long long)limit.rlim_max);
	}
	fputs("],\n", out);
}

/* Those that stand open, and what they are: "pipe", "socket", ... */
static void put_descriptors(FILE *out, int own)
{
	const char *comma = "";

	fputs("\"descriptors\": {", out);
	for (int fd = 0; fd < 1024; fd++) {
		struct stat st;

		if (fd == own || fstat(fd, &st) < 0)
			continue;
		fprintf(out, "%s\"%d\": \"%s\"", comma, fd,
			S_ISFIFO(st.st_mode)   ? "pipe"
			: S_ISSOCK(st.st_mode) ? "socket"
			: S_ISREG(st.st_mode)  ? "file"
			: S_ISDIR(st.st_mode)  ? "directory"
			: S_ISCHR(st.st_mode)  ? "device"
					       : "other");
		comma = ", ";
	}
	fputs("},\n", out);
}

static void put_environment(FILE *out)
{
	fputs("\"environment\": [", out);
	for (char **p = environ; *p; p++) {
		fputs(p == environ ? "" : ", ", out);
		put_string(out, *p, strlen(*p));
	}
	fputs("],\n", out);
}

static void put_directory(FILE *out, const char *name, const char *path)
{
	struct stat st = { 0 };

	(void)stat(path, &st);
	fprintf(out, "\"%s\": \"%llx:%llu\",\n", name, (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
}

static void put_signals(FILE *out)
{
	sigset_t mask;

	sigemptyset(&mask);
	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	fputs("\"signals\": [", out);
	for (int i = 1; i <= 64; i++) {
		struct sigaction action;
		bool ignored = sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN;

		fprintf(out, "%s\"%s%s\"", i > 1 ? ", " : "",
			sigismember(&mask, i) == 1 ? "blocked" : "", ignored ? "ignored" : "");
	}
	fputs("],\n", out);
}

#define PROBE(name, ...)            \
	{                           \
#name, SYS_##name,  \
		{                   \
			__VA_ARGS__ \
		}                   \
	}

/* What Docker's default profile refuses, in part depending on capabilities. */
static const struct probe {
	const char *name;
	long number;
	long arguments[6];
} probes[] = {
	PROBE(acct, 1),
	PROBE(add_key, 0, 0, 0, 0, 0),
	PROBE(bpf, -1, 0, 0),
	PROBE(clock_settime, -1, 0),
	PROBE(clone3, 0, 0),
	PROBE(create_module, 0, 0),
	PROBE(delete_module, 0, 0),
	PROBE(fanotify_init, -1, -1),
	PROBE(finit_module, -1, 0, -1),
	PROBE(fsconfig, -1, -1, 0, 0, 0),
	PROBE(fsmount, -1, -1, -1),
	PROBE(fsopen, 0, -1),
	PROBE(fspick, -1, 0, -1),
	PROBE(get_kernel_syms, 0),
	PROBE(get_mempolicy, 0, 0, 0, 0, -1),
	PROBE(init_module, 0, 0, 0),
	PROBE(io_uring_enter, -1, 0, 0, 0, 0, 0),
	PROBE(io_uring_register, -1, -1, 0, 0),
	PROBE(io_uring_setup, 0, 0),
	PROBE(ioperm, -1, -1, 0),
	PROBE(iopl, -1),
	PROBE(kcmp, -1, -1, -1, 0, 0),
	PROBE(kexec_file_load, -1, -1, 0, 0, -1),
	PROBE(kexec_load, 0, -1, 0, -1),
	PROBE(keyctl, -1, 0, 0, 0, 0),
	PROBE(lookup_dcookie, 0, 0, 0),
	PROBE(mbind, 1, 0, -1, 0, 0, -1),
	PROBE(migrate_pages, -1, 0, 0, 0),
	PROBE(mount, 0, 0, 0, 0, 0),
	PROBE(mount_setattr, -1, 0, -1, 0, 0),
	PROBE(move_mount, -1, 0, -1, 0, -1),
	PROBE(move_pages, -1, 1, 0, 0, 0, -1),
	PROBE(name_to_handle_at, -1, 0, 0, 0, -1),
	PROBE(nfsservctl, 0, 0, 0),
	PROBE(open_by_handle_at, -1, 0, 0),
	PROBE(open_tree, -1, 0, -1),
	PROBE(perf_event_open, 0, 0, 0, 0, -1),
	PROBE(personality, PER_SVR4),
	PROBE(pidfd_getfd, -1, -1, -1),
	PROBE(pivot_root, 0, 0),
	PROBE(process_madvise, -1, 0, 0, 0, -1),
	PROBE(quotactl, -1, 0, 0, 0),
	PROBE(quotactl_fd, -1, -1, 0, 0),
	PROBE(reboot, 0, 0, 0, 0),
	PROBE(request_key, 0, 0, 0, 0),
	PROBE(set_mempolicy, -1, 0, 0),
	PROBE(setdomainname, 0, -1),
	PROBE(sethostname, 0, -1),
	PROBE(setns, -1, -1),
	PROBE(settimeofday, 1, 1),
	PROBE(swapoff, 0),
	PROBE(swapon, 0, -1),
	PROBE(sysfs, -1, 0, 0),
	PROBE(syslog, -1, 0, -1),
	PROBE(umount2, 0, -1),
	PROBE(unshare, 1),
	PROBE(uselib, 0),
	PROBE(userfaultfd, -1),
	PROBE(ustat, -1, 0),
};

static void put_probe(FILE *out, const char *name, long result)
{
	fprintf(out, "\"%s\": \"%s\",\n", name,
		result >= 0		 ? "done"
		: strerrorname_np(errno) ? strerrorname_np(errno)
					 : "?");
}

static void put_probes(FILE *out)
{
	fputs("\"calls\": {\n", out);
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		const struct probe *p = &probes[i];
		const long *a = p->arguments;

		put_probe(out, p->name, syscall(p->number, a[0], a[1], a[2], a[3], a[4], a[5]));
	}
	/* CLONE_THREAD without CLONE_SIGHAND is invalid, whatever else is asked for. */
	put_probe(out, "clone of a user namespace",
		  syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD, 0, 0, 0, 0));
	put_probe(out, "clone of a mount namespace",
		  syscall(SYS_clone, CLONE_NEWNS | CLONE_THREAD, 0, 0, 0, 0));
	put_probe(out, "umount2 with MNT_FORCE", syscall(SYS_umount2, "", 1));
	put_probe(out, "AF_VSOCK", socket(40, -1, 0));
	put_probe(out, "AF_ALG", socket(38, -1, 0));
	put_probe(out, "x32", syscall(0x40000000L | SYS_getpid));
	fputs("\"\": \"\"},\n", out);
}

static void put_all(FILE *out)
{
	mode_t mask = umask(0);

	umask(mask);
	fputs("{\n", out);
	put_number(out, "pid", getpid());
	put_number(out, "session", getsid(0)); /* 0: of a pid namespace that we are not in */
	put_file(out, "status", "/proc/self/status");
	put_file(out, "cgroup", "/proc/self/cgroup");
	put_file(out, "mountinfo", "/proc/self/mountinfo");
	put_file(out, "oom_score_adj", "/proc/self/oom_score_adj");
	put_file(out, "label", "/proc/self/attr/current");
	put_file(out, "uid_map", "/proc/self/uid_map");
	put_file(out, "timerslack_ns", "/proc/self/timerslack_ns");
	put_namespaces(out);
	put_limits(out);
	put_descriptors(out, fileno(out));
	put_environment(out);
	put_directory(out, "root", "/");
	put_directory(out, "cwd", ".");
	put_signals(out);
	put_number(out, "nice", getpriority(PRIO_PROCESS, 0));
	put_number(out, "ioprio", syscall(SYS_ioprio_get, 1, 0));
	put_number(out, "scheduler", sched_getscheduler(0));
	put_number(out, "umask", mask);
	put_number(out, "securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	put_number(out, "no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	put_number(out, "personality", personality(0xffffffff));
	put_number(out, "controlling terminal", open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0);
	put_probes(out);
	fputs("\"end\": true}\n", out);
}

static void die(const char *what)
{
	perror(what);
	exit(3);
}

static void become(const char *text)
{
	uid_t uid = (uid_t)strtoul(text, NULL, 10);

	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		die(text);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int main(int argc, char *argv[])
{
	bool crash = false;
	char buffer[65536];

	if (argc < 2)
		return 2;
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--crash") == 0)
			crash = true;
		else if (strcmp(argv[i], "--setuid") == 0 && i + 1 < argc)
			become(argv[++i]);
		else
			return 2;
	}
	while (!crash && read(STDIN_FILENO, buffer, sizeof(buffer)) > 0)
		;
	FILE *out = fopen(argv[1], "we");
	if (!out)
		die(argv[1]);
	put_all(out);
	if (fclose(out) != 0)
		die(argv[1]);
	if (crash) /* raise(3) does nothing to the init of a pid namespace */
		*(volatile int *)8 = 1;
	puts("written");
	return 0;
}
