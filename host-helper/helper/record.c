// SPDX-License-Identifier: MIT
/*
 * The record of the crash: what is known of the victim, and its directory in the store.
 *
 * The strings are the victim's; they go into files under names of ours, escaped where the form
 * wants it (crash_to_json()), as they are where it does not (the copies of /proc files, xattrs).
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "clock.h"
#include "container-owner.h"
#include "container.h"
#include "fd.h"

#define RECORD_ID_TRIES	   16
#define RECORD_CMDLINE_MAX 4096 /* arguments kept */

/* The NUL-separated arguments as a list. */
static int fill_cmdline(struct crash *crash, const struct victim_text *text)
{
	size_t count = 0, i = 0;

	if (!text->data || text->len == 0)
		return 0;
	crash->cmdline = calloc(RECORD_CMDLINE_MAX + 1, sizeof(char *));
	if (!crash->cmdline)
		return -ENOMEM;
	while (i < text->len && count < RECORD_CMDLINE_MAX) {
		/* The buffer has a NUL behind its last byte. */
		crash->cmdline[count] = strdup(text->data + i);
		if (!crash->cmdline[count++])
			return -ENOMEM;
		i += strlen(text->data + i) + 1;
	}
	return 0;
}

static int fill_boot_id(struct crash *crash)
{
	cleanup_free char *text = NULL;
	size_t len;

	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &len) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return crash_set_string(&crash->boot_id, text);
}

/* The container, as far as the cgroup tells. 0 or -ENOMEM. */
int record_fill_container(struct crash *crash, const struct victim *v)
{
	struct container c = { .runtime = "" };

	if (v->files[VICTIM_CGROUP].data)
		container_from_cgroup(v->files[VICTIM_CGROUP].data, &c);
	if (c.runtime[0])
		crash->container_owner = container_owner(&c);
	int r = crash_set_string(&crash->container_runtime, c.runtime);
	if (r == 0)
		r = crash_set_string(&crash->container_id, c.id);
	if (r == 0)
		r = crash_set_string(&crash->pod_uid, c.pod_uid);
	return r < 0 ? r : crash_set_string(&crash->container_name, c.name);
}

/* Fills in all that is known before the capture.  0 or -ENOMEM. */
int record_fill(struct crash *crash, const struct arguments *a, const struct victim *v)
{
	char *comm = v->files[VICTIM_COMM].data;

	crash->pid = a->pid;
	crash->tid = a->has_tid ? a->tid : a->pid;
	crash->uid = a->uid;
	crash->gid = a->gid;
	crash->signal = a->signal;
	crash->dump_mode = a->dump_mode;
	crash->rlimit_core = a->rlimit_core;
	crash->container_pid = v->status.innermost_pid;
	crash->root_only = v->root_only != NULL;
	if (comm)
		comm[strcspn(comm, "\n")] = '\0';

	int r = crash_set_string(&crash->comm, comm);
	if (r == 0)
		r = crash_set_string(&crash->exe, v->exe);
	if (r == 0)
		r = crash_set_string(&crash->cwd, v->cwd);
	if (r == 0)
		r = crash_set_string(&crash->hostname, a->hostname);
	if (r == 0)
		r = fill_cmdline(crash, &v->files[VICTIM_CMDLINE]);
	if (r == 0)
		r = fill_boot_id(crash);
	return r < 0 ? r : record_fill_container(crash, v);
}

/*
 * Makes the crash's directory.  Its name alone tells of the crash if the helper is stopped before
 * there is a record.  0 or -errno.
 */
int record_begin(const struct store *store, struct crash *crash, uint32_t pid, int *ret_dirfd)
{
	int r = -EEXIST;

	crash->time_us = clock_now_us();
	for (int i = 0; i < RECORD_ID_TRIES && r == -EEXIST; i++) {
		uint16_t random = 0;

		if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
			random = (uint16_t)(crash->time_us + (uint64_t)i);
		r = crash_id_format(crash->time_us, pid, random, crash->id);
		if (r == 0)
			r = store_begin(store, crash->id, ret_dirfd);
	}
	return r;
}

/* Keeps what /proc said beside the core.  What cannot be written is missing there, no more. */
void record_write_snapshot(const struct store *store, int dirfd, const struct victim *v)
{
	static const struct {
		enum victim_file file;
		const char *name;
		bool secret;
	} kept[] = {
		{ VICTIM_MAPS, "maps", false },		  { VICTIM_LIMITS, "limits", false },
		{ VICTIM_CGROUP, "cgroup", false },	  { VICTIM_STATUS, "status", false },
		{ VICTIM_MOUNTINFO, "mountinfo", false }, { VICTIM_ENVIRON, "environ", true },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		const struct victim_text *text = &v->files[kept[i].file];

		if (!text->data)
			continue;
		if (file_create_at(dirfd, kept[i].name, text->data, text->len, 0600) < 0)
			continue;
		cleanup_fd int fd = openat(dirfd, kept[i].name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			(void)store_own_file(store, fd, kept[i].secret || v->root_only != NULL);
	}
}

/* True if the machine was not started again since the crash. */
bool record_is_same_boot(const struct crash *crash)
{
	cleanup_free char *text = NULL;
	size_t len;

	if (!crash->boot_id ||
	    file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &len) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, crash->boot_id) == 0;
}

/* So that a power cut leaves what the record tells of. */
void record_sync(int dirfd, const char *core_file)
{
	cleanup_fd int fd =
		core_file ? openat(dirfd, core_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)fdatasync(fd);
	(void)fsync(dirfd);
}

static void set_xattr(int fd, const char *name, const char *value)
{
	char key[64];

	snprintf(key, sizeof(key), "user.coredump.%s", name);
	if (value && *value)
		(void)fsetxattr(fd, key, value, strlen(value), 0); /* tmpfs before 6.6 has none */
}

static void set_xattr_number(int fd, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	set_xattr(fd, name, text);
}

/* The attributes that systemd-coredump sets, for tools that look for them.  timestamp: seconds. */
void record_set_xattrs(int fd, const struct crash *crash)
{
	set_xattr_number(fd, "pid", crash->pid);
	set_xattr_number(fd, "uid", crash->uid);
	set_xattr_number(fd, "gid", crash->gid);
	set_xattr_number(fd, "signal", crash->signal);
	set_xattr_number(fd, "timestamp", crash->time_us / 1000000);
	set_xattr_number(fd, "rlimit", crash->rlimit_core);
	set_xattr(fd, "hostname", crash->hostname);
	set_xattr(fd, "comm", crash->comm);
	set_xattr(fd, "exe", crash->exe);
}
