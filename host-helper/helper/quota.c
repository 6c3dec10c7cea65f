// SPDX-License-Identifier: MIT
/*
 * The store's limits: what is over one makes way, oldest first.
 *
 * The records are root's, what they tell is the victims': a container may crash as often and in as
 * many ways as it likes, and must not drive out the crashes of others by that.  So the container
 * with the most bytes gives way, and in it the kind of crash with the most bytes.  What somebody
 * works on or reads is passed by, and no reader ever sees half of what is removed.
 */
#include "quota.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "crash-files.h"
#include "fd.h"
#include "parse.h"
#include "recover.h"
#include "removal.h"

struct entry {
	char id[CRASH_ID_SIZE];
	uint64_t bytes, core_bytes;
	uint64_t container, signature; /* load_keys() */
	uint32_t container_max;	       /* cores of its container */
	bool has_core, is_gone;
};

struct quota {
	const struct store *store;
	const struct quota_limits *limits;
	struct quota_result *result;
	struct entry *entries; /* oldest first */
	size_t count;
	struct entry **cores; /* those that have a core; with keys, and sorted by them */
	size_t core_count;
	uint64_t available_bytes; /* on the file system, before anything was removed */
};

/* --- what there is --- */

static int look(const struct store *store, const char *id, struct crash_files *files)
{
	/* Without the lock: what is counted may change the next moment anyway. */
	cleanup_fd int fd =
		openat(store->crashes_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : crash_files_look(fd, files);
}

static void note_raw(struct quota *q, const char *id)
{
	cleanup_fd int fd = -1;

	/* Mostly its helper is at work. */
	if (q->result->raw_count < QUOTA_RAW_MAX &&
	    store_open_exclusive(q->store, id, STORE_PUBLISHED, &fd) == 0)
		memcpy(q->result->raw_ids[q->result->raw_count++], id, CRASH_ID_SIZE);
}

static int add_entry(struct quota *q, const char *id)
{
	struct crash_files files = { 0 };
	int r = look(q->store, id, &files);

	if (r == 0 && (files.has_temporary || (files.has_raw && files.has_zst))) {
		r = recover_tidy(q->store, id);
		q->result->tidied += r == 0;
		/* Its helper is at work. */
		r = r == -EBUSY ? 0 : look(q->store, id, &files);
	}
	if (r == -ENOENT)
		return 0;
	q->result->failed += r < 0;

	struct entry *e = &q->entries[q->count++];
	memcpy(e->id, id, sizeof(e->id));
	e->bytes = files.bytes;
	e->core_bytes = files.core_bytes;
	e->has_core = files.has_raw || files.has_zst;
	q->result->used_bytes += e->bytes;
	if (files.has_raw)
		note_raw(q, id);
	return 0;
}

static int survey(struct quota *q)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL, (*partial)[CRASH_ID_SIZE] = NULL;
	size_t count = 0, partial_count = 0;
	int r = store_list_partial(q->store, &partial, &partial_count);

	if (r == 0)
		r = store_list(q->store, &ids, &count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < partial_count; i++) {
		cleanup_fd int fd = -1;
		struct crash_files files;

		if (store_open_partial(q->store, partial[i], &fd) == 0 &&
		    crash_files_look(fd, &files) == 0)
			q->result->used_bytes += files.bytes;
	}
	q->entries = calloc(count + 1, sizeof(*q->entries));
	q->cores = calloc(count + 1, sizeof(struct entry *));
	if (!q->entries || !q->cores)
		return -ENOMEM;
	for (size_t i = count; i > 0 && r == 0; i--)
		r = add_entry(q, ids[i - 1]);
	q->result->crashes = q->count;
	return r;
}

/* --- removing --- */

/* Counts what was tried. True: it is removed. */
static bool count_removal(struct quota *q, int r)
{
	if (r == -EBUSY)
		q->result->passed_by++;
	else if (r < 0 && r != -ENOENT)
		q->result->failed++;
	return r == 0;
}

static void count_freed(struct quota *q, struct entry *e, uint64_t bytes)
{
	e->bytes -= bytes;
	q->result->used_bytes -= bytes;
	q->result->freed_bytes += bytes;
}

/* The file's blocks are in use until *ret_fd is closed, if there is such a file. */
static int unlink_held(int dirfd, const char *name, int *ret_fd)
{
	*ret_fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Where there is no room for a record but that of the core. */
static int remove_core_first(const struct store *store, int dirfd, const struct crash *crash)
{
	if ((unlinkat(dirfd, CRASH_CORE_RAW_NAME, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dirfd, CRASH_CORE_ZST_NAME, 0) < 0 && errno != ENOENT))
		return -errno;
	return store_write_record(store, dirfd, crash);
}

static int remove_core(const struct store *store, const char *id, const char *why)
{
	cleanup_crash struct crash crash;
	/* Closed last: the blocks of a large core are given back when the lock is free again. */
	cleanup_fd int raw = -1;
	cleanup_fd int zst = -1;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	int r = store_open_exclusive(store, id, STORE_PUBLISHED, &dirfd);
	if (r == 0)
		r = store_read_record(dirfd, &crash);
	/* A record that is damaged tells nothing that could become wrong. */
	bool damaged = r == -EINVAL || r == -EFBIG || (r == -ENOENT && dirfd >= 0);
	if (r == 0 && !crash.core_removed) {
		r = crash_set_string(&crash.core_file, NULL);
		if (r == 0)
			r = crash_set_string(&crash.core_removed, why);
		if (r == 0)
			r = store_write_record(store, dirfd, &crash);
		if (r == -ENOSPC || r == -EDQUOT)
			return remove_core_first(store, dirfd, &crash);
	}
	if (r < 0 && !damaged)
		return r;
	r = unlink_held(dirfd, CRASH_CORE_RAW_NAME, &raw);
	return r < 0 ? r : unlink_held(dirfd, CRASH_CORE_ZST_NAME, &zst);
}

static bool evict_core(struct quota *q, struct entry *e, const char *why)
{
	if (!count_removal(q, remove_core(q->store, e->id, why)))
		return false;
	q->result->cores_removed++;
	count_freed(q, e, e->core_bytes);
	e->has_core = false;
	return true;
}

static void evict_record(struct quota *q, struct entry *e)
{
	if (!count_removal(q, removal_hide(q->store, e->id)))
		return;
	q->result->records_removed++;
	q->result->crashes--;
	count_freed(q, e, e->bytes);
	e->is_gone = true;
	count_removal(q, removal_finish(q->store, e->id));
}

/* What a killed run has hidden and not removed. */
static int remove_left_over(struct quota *q)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;
	int r = store_list_state(q->store, STORE_REMOVED, &ids, &count);

	for (size_t i = 0; i < count; i++)
		q->result->tidied += count_removal(q, removal_finish(q->store, ids[i]));
	return r;
}

/* By their ids: records are the victims' in part, and may be damaged. */
static void limit_age(struct quota *q)
{
	for (size_t i = 0; i < q->count; i++) {
		uint64_t time_us;
		uint32_t pid;

		if (crash_id_parse(q->entries[i].id, &time_us, &pid) < 0)
			continue;
		if (time_us >= q->limits->oldest_us)
			return;
		evict_record(q, &q->entries[i]);
	}
}

static void limit_records(struct quota *q)
{
	uint64_t max = q->limits->max_records;

	for (size_t i = 0; i < q->count && q->result->crashes > max; i++)
		if (!q->entries[i].is_gone)
			evict_record(q, &q->entries[i]);
	q->result->is_over = q->result->is_over || q->result->crashes > max;
}

/* --- groups --- */

/* Containers that a user of the host could have made up are that user's, all of them.  64 bits of
 * a digest: nobody finds a container's id that gives another one's key. */
static uint64_t container_key(const struct crash *crash)
{
	/* A name beside an id is the engine's, and is not always known. */
	bool has_id = crash->container_id && *crash->container_id;
	bool is_made_up = crash->container_owner != 0;
	const char *parts[] = { is_made_up ? "" : crash->container_runtime,
				is_made_up ? "" : crash->container_id,
				has_id || is_made_up ? "" : crash->container_name };
	char hex[DIGEST_HEX_SIZE], user[16] = "";
	struct sha256_ctx ctx;
	uint64_t key = 0;

	digest_init(&ctx);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		digest_update(&ctx, parts[i] ? parts[i] : "", strlen(parts[i] ? parts[i] : "") + 1);
	/* Outside of containers, users are kept apart. */
	if (!crash->container_id && !crash->container_name)
		snprintf(user, sizeof(user), "%u", crash->uid);
	if (is_made_up)
		snprintf(user, sizeof(user), "o%u", crash->container_owner);
	digest_update(&ctx, user, strlen(user));
	digest_finish_hex(&ctx, hex);
	hex[16] = '\0';
	(void)parse_hex_u64(hex, &key);
	return key;
}

/* False: this core is none that could be counted. */
static bool load_keys(struct quota *q, struct entry *e)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	int r = store_open_crash(q->store, e->id, &dirfd);
	if (r == -ENOENT) /* somebody removes it right now */
		return false;
	if (r == 0)
		r = store_read_record(dirfd, &crash);
	/* One whose record is damaged is nobody's: all of those are one group. */
	if (r < 0)
		return true;
	if (crash.core_removed) {
		/* Killed between the record and the core. */
		fd_close(&dirfd);
		r = recover_tidy(q->store, e->id);
		q->result->tidied += r == 0;
		q->result->failed += r < 0 && r != -EBUSY && r != -ENOENT;
		if (r == 0)
			count_freed(q, e, e->core_bytes);
		return false;
	}
	if (!crash.signature[0])
		crash_set_signature(&crash);
	(void)parse_hex_u64(crash.signature, &e->signature);
	e->container = container_key(&crash);
	if (q->limits->container_max)
		e->container_max =
			q->limits->container_max(q->limits->container_max_context, &crash);
	return true;
}

static int by_keys(const void *a, const void *b)
{
	const struct entry *const *p = a, *const *q = b;
	const struct entry *x = *p, *y = *q;

	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	if (x->signature != y->signature)
		return x->signature < y->signature ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int by_container(const void *a, const void *b)
{
	const struct entry *const *p = a, *const *q = b;
	const struct entry *x = *p, *y = *q;

	if (x->container != y->container)
		return x->container < y->container ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void sort_cores(const struct quota *q, int (*order)(const void *, const void *))
{
	qsort(q->cores, q->core_count, sizeof(struct entry *), order);
}

/* Puts the crashes that have a core into q->cores, with their keys. */
static void load_cores(struct quota *q)
{
	for (size_t i = 0; i < q->count; i++) {
		struct entry *e = &q->entries[i];

		if (e->has_core && !e->is_gone && load_keys(q, e))
			q->cores[q->core_count++] = e;
	}
}

static bool is_same_group(const struct entry *a, const struct entry *b, bool by_signature)
{
	return a->container == b->container && (!by_signature || a->signature == b->signature);
}

/* At most max cores in each group, the newest; of a container's group, as many as its newest core's
 * record says. */
static void limit_groups(struct quota *q, bool by_signature, uint32_t max)
{
	const char *why = by_signature ? "max_per_signature" : "max_per_container";
	size_t kept = 0, end;

	sort_cores(q, by_signature ? by_keys : by_container);
	for (size_t first = 0; first < q->core_count; first = end) {
		for (end = first; end < q->core_count; end++)
			if (!is_same_group(q->cores[first], q->cores[end], by_signature))
				break;
		size_t left = end - first;
		if (!by_signature && q->limits->container_max)
			max = q->cores[end - 1]->container_max;
		for (size_t i = first; i < end; i++) {
			bool removed = max > 0 && left > max && evict_core(q, q->cores[i], why);

			left -= removed;
			if (!removed)
				q->cores[kept++] = q->cores[i];
		}
		q->result->is_over = q->result->is_over || (max > 0 && left > max);
	}
	q->core_count = kept;
}

/* --- bytes --- */

/* A range of cores (of groups, for a container's), and what it takes on the disk. */
struct group {
	uint64_t bytes;
	size_t first, count;
};

/* Which limit is exceeded, or NULL.  The file system may tell late of what was freed, so that is
 * counted here. */
static const char *find_excess(const struct quota *q)
{
	const struct quota_limits *l = q->limits;

	if (l->max_use_bytes > 0 && q->result->used_bytes > l->max_use_bytes)
		return "max_use";
	if (l->keep_free_bytes > 0 &&
	    q->available_bytes + q->result->freed_bytes < l->keep_free_bytes)
		return "keep_free";
	return NULL;
}

/* A heap, the largest first: puts heap[i] where it belongs below i. */
static void sift_down(struct group *heap, size_t count, size_t i)
{
	for (;;) {
		size_t largest = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++)
			if (heap[child].bytes > heap[largest].bytes)
				largest = child;
		if (largest == i)
			return;
		struct group moved = heap[i];

		heap[i] = heap[largest];
		heap[largest] = moved;
		i = largest;
	}
}

static void make_heap(struct group *heap, size_t count)
{
	for (size_t i = count / 2; i > 0; i--)
		sift_down(heap, count, i - 1);
}

/* Fills groups with the ranges of q->cores that are one signature's, and containers with the ranges
 * of groups; returns the containers. */
static size_t make_groups(const struct quota *q, struct group *groups, struct group *containers)
{
	size_t group_count = 0, container_count = 0;

	for (size_t i = 0; i < q->core_count; i++) {
		const struct entry *e = q->cores[i], *before = i > 0 ? q->cores[i - 1] : NULL;

		if (!before || !is_same_group(before, e, false))
			containers[container_count++] = (struct group){ .first = group_count };
		struct group *c = &containers[container_count - 1];
		if (!before || !is_same_group(before, e, true)) {
			groups[group_count++] = (struct group){ .first = i };
			c->count++;
		}
		struct group *g = &groups[group_count - 1];
		g->count++;
		g->bytes += e->core_bytes;
		c->bytes += e->core_bytes;
	}
	for (size_t i = 0; i < container_count; i++)
		make_heap(groups + containers[i].first, containers[i].count);
	make_heap(containers, container_count);
	return container_count;
}

/* The oldest of the largest kind of the largest container, again and again. */
static int limit_bytes(struct quota *q)
{
	cleanup_free struct group *groups = calloc(q->core_count + 1, sizeof(*groups));
	cleanup_free struct group *containers = calloc(q->core_count + 1, sizeof(*containers));
	const char *why;

	if (!groups || !containers)
		return -ENOMEM;
	sort_cores(q, by_keys);
	size_t count = make_groups(q, groups, containers);

	while ((why = find_excess(q)) && count > 0) {
		struct group *c = &containers[0], *g = &groups[c->first];
		struct entry *e = q->cores[g->first];

		if (evict_core(q, e, why)) {
			g->bytes -= e->core_bytes;
			c->bytes -= e->core_bytes;
		}
		g->first++;
		if (--g->count == 0) {
			/* What is left of it cannot make way. */
			c->bytes -= g->bytes;
			*g = groups[c->first + --c->count];
		}
		sift_down(groups + c->first, c->count, 0);
		if (c->count == 0)
			*c = containers[--count];
		sift_down(containers, count, 0);
	}
	q->result->is_over = q->result->is_over || why;
	return 0;
}

/* --- all of it --- */

static int enforce(struct quota *q)
{
	const struct quota_limits *l = q->limits;
	struct statvfs disk;
	int r = remove_left_over(q);

	if (r < 0)
		return r;
	if (fstatvfs(q->store->crashes_fd, &disk) < 0)
		return -errno;
	q->available_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	r = survey(q);
	if (r < 0)
		return r;
	if (l->oldest_us > 0)
		limit_age(q);
	if (l->max_records > 0)
		limit_records(q);
	if (l->max_per_container == 0 && !l->container_max && l->max_per_signature == 0 &&
	    !find_excess(q))
		return 0;
	/* The records are read only if they decide something. */
	load_cores(q);
	if (l->max_per_signature > 0)
		limit_groups(q, true, l->max_per_signature);
	if (l->max_per_container > 0 || l->container_max)
		limit_groups(q, false, l->max_per_container);
	return find_excess(q) ? limit_bytes(q) : 0;
}

/*
 * Looks at the whole store, removes what is left over in it, and then what is over a limit.  A
 * crash whose directory the caller itself has open is passed by, as every other one that is in use.
 * 0, and *ret_result; or -errno, and *ret_result tells how far it came.
 */
int quota_enforce(const struct store *store, const struct quota_limits *limits,
		  struct quota_result *ret_result)
{
	struct quota q = { .store = store, .limits = limits, .result = ret_result };

	*ret_result = (struct quota_result){ 0 };
	int r = enforce(&q);
	free(q.entries);
	free(q.cores);
	return r;
}
