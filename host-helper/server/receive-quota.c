// SPDX-License-Identifier: MIT
/*
 * How much may be received.
 *
 * What counts is what stands on the disk: others remove cores there, and we may be killed.  So the
 * sums are counted anew now and then, and always before somebody is refused; between that they are
 * kept up by who writes.  All names are ours.
 */
#include "receive-quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "receive-directory.h"
#include "tus-upload.h"

/* Counting 10,000 cores takes some 50 ms: so often, and before a refusal no more than so often. */
#define COUNT_EVERY_MS	   10000
#define COUNT_AT_LEAST_MS  500
#define DIRECTORY_NAME_MAX 255

struct entry {
	struct entry *next;
	int64_t bytes, cores;
	char name[DIRECTORY_NAME_MAX + 1];
};

struct receive_quota {
	struct store received; /* the caller's descriptors */
	int uploads_fd;
	struct receive_limits limits;
	pthread_mutex_t lock;
	uint64_t counted_ms; /* 0: never */
	struct entry *entries;
	struct entry all;
};

/* --- counting --- */

static struct entry *entry_of(struct receive_quota *quota, const char *directory)
{
	struct entry *entry = quota->entries;

	while (entry && strcmp(entry->name, directory) != 0)
		entry = entry->next;
	if (entry || strlen(directory) > DIRECTORY_NAME_MAX)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->name, directory, strlen(directory) + 1);
	entry->next = quota->entries;
	quota->entries = entry;
	return entry;
}

static void add(struct receive_quota *quota, const char *directory, int64_t bytes, int64_t cores)
{
	struct entry *entry = entry_of(quota, directory);

	if (entry) {
		entry->bytes += bytes;
		entry->cores += cores;
	}
	quota->all.bytes += bytes;
	quota->all.cores += cores;
}

static int64_t used_by(int dirfd, const char *directory, const char *file)
{
	char path[DIRECTORY_NAME_MAX + sizeof("/.") + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return (int64_t)st.st_blocks * 512;
}

static void count_directory(void *context, const char *name, const struct store *directory)
{
	static const enum store_state states[] = { STORE_PUBLISHED, STORE_PARTIAL };
	struct receive_quota *quota = context;

	for (size_t s = 0; s < 2; s++) {
		cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
		size_t count = 0;

		if (store_list_state(directory, states[s], &ids, &count) < 0)
			continue;
		for (size_t i = 0; i < count; i++) {
			char path[CRASH_ID_SIZE + sizeof("..partial")];

			snprintf(path, sizeof(path), s == 0 ? "%s" : ".%s.partial", ids[i]);
			add(quota, name,
			    used_by(directory->crashes_fd, path, CRASH_CORE_RAW_NAME) +
				    used_by(directory->crashes_fd, path, CRASH_CORE_ZST_NAME),
			    1);
		}
	}
}

static void count_upload(void *context, const struct tus_upload *upload)
{
	struct receive_quota *quota = context;

	if (!upload->published)
		add(quota, upload->directory, (int64_t)tus_upload_used(upload), 1);
}

static void count(struct receive_quota *quota)
{
	quota->all.bytes = quota->all.cores = 0;
	for (struct entry *entry = quota->entries; entry; entry = entry->next)
		entry->bytes = entry->cores = 0;
	(void)receive_directory_for_each(&quota->received, count_directory, quota);
	(void)tus_upload_for_each(quota->uploads_fd, count_upload, quota);
	quota->counted_ms = clock_monotonic_ms();
}

/* --- */

/* Starts to keep accounts of a directory; its descriptors are the caller's. 0 or -ENOMEM. */
int receive_quota_new(const struct store *received, int uploads_fd,
		      const struct receive_limits *limits, struct receive_quota **ret_quota)
{
	struct receive_quota *quota = calloc(1, sizeof(*quota));

	if (!quota)
		return -ENOMEM;
	quota->received = *received;
	quota->uploads_fd = uploads_fd;
	quota->limits = *limits;
	pthread_mutex_init(&quota->lock, NULL);
	*ret_quota = quota;
	return 0;
}

/* Frees it. */
void receive_quota_free(struct receive_quota **quota)
{
	if (!*quota)
		return;
	while ((*quota)->entries) {
		struct entry *entry = (*quota)->entries;

		(*quota)->entries = entry->next;
		free(entry);
	}
	pthread_mutex_destroy(&(*quota)->lock);
	free(*quota);
	*quota = NULL;
}

static bool has_limits(const struct receive_limits *limits)
{
	return limits->use.bytes || limits->use.percent || limits->use_each.bytes ||
	       limits->use_each.percent || limits->cores || limits->cores_each;
}

static int check_one(const struct entry *entry, uint64_t use, uint32_t cores, uint64_t more_bytes,
		     unsigned more_cores)
{
	uint64_t bytes = entry && entry->bytes > 0 ? (uint64_t)entry->bytes : 0;
	uint64_t count = entry && entry->cores > 0 ? (uint64_t)entry->cores : 0;

	if (use && more_bytes > use)
		return -EFBIG;
	if ((use && more_bytes > use - (bytes < use ? bytes : use)) ||
	    (cores && count + more_cores > cores))
		return -EDQUOT;
	return 0;
}

static int check(struct receive_quota *quota, const char *directory, uint64_t bytes, unsigned cores)
{
	const struct receive_limits *limits = &quota->limits;
	uint64_t fs_bytes = 0;
	struct statvfs fs;

	if (fstatvfs(quota->received.crashes_fd, &fs) == 0)
		fs_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
	int r = check_one(entry_of(quota, directory),
			  config_share_bytes(&limits->use_each, fs_bytes), limits->cores_each,
			  bytes, cores);
	if (r == 0)
		r = check_one(&quota->all, config_share_bytes(&limits->use, fs_bytes),
			      limits->cores, bytes, cores);
	return r;
}

/*
 * May so much more come into the directory ("": that of --receive itself)?  0; -EFBIG: it is more
 * than the limit alone; -EDQUOT: than what is left of it.
 */
int receive_quota_admit(struct receive_quota *quota, const char *directory, uint64_t bytes,
			unsigned cores)
{
	if (!has_limits(&quota->limits))
		return 0;
	pthread_mutex_lock(&quota->lock);
	uint64_t age = clock_monotonic_ms() - quota->counted_ms;
	if (quota->counted_ms == 0 || age >= COUNT_EVERY_MS) {
		count(quota);
		age = 0;
	}
	int r = check(quota, directory, bytes, cores);
	if (r == -EDQUOT && age >= COUNT_AT_LEAST_MS) {
		count(quota);
		r = check(quota, directory, bytes, cores);
	}
	pthread_mutex_unlock(&quota->lock);
	return r;
}

/* So much came, or went (less than 0). */
void receive_quota_add(struct receive_quota *quota, const char *directory, int64_t bytes, int cores)
{
	pthread_mutex_lock(&quota->lock);
	add(quota, directory, bytes, cores);
	pthread_mutex_unlock(&quota->lock);
}
