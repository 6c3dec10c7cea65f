// SPDX-License-Identifier: MIT
/*
 * What crashes there are in the store, in memory: kept up to date as they are published and
 * removed.
 *
 * A thread follows the directory by inotify(7).  Names there are root's, records hold what victims
 * chose.  If the kernel loses events, the directory is read anew.
 */
#include "store-index.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "store-index-entry.h"

#define PENDING_MAX    4096 /* as many captures as the kernel lets run at once, and more */
#define CATCH_UP_MAX   64
#define EVENT_BYTES    (16U << 10)
#define PARTIAL_SUFFIX ".partial"

struct store_index {
	const struct store *store;
	void (*changed)(void *context);
	void *context;
	int inotify_fd, stop_fd;
	pthread_t thread;
	pthread_mutex_t reading; /* who takes events */
	char boot_id[INDEX_BOOT_ID_SIZE];

	pthread_rwlock_t lock;
	struct index_entry **entries; /* oldest first */
	size_t count, space;
	struct index_pending *pending;
	size_t pending_count;
	uint64_t next_number;
};

/* --- the entries; the lock is held for writing, unless it says otherwise --- */

/* Where the id is, or would be.  For reading. */
static size_t position_of(const struct store_index *index, const char *id, bool *ret_there)
{
	size_t low = 0, high = index->count;

	*ret_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(index->entries[middle]->id, id);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Takes the entry. */
static int insert(struct store_index *index, struct index_entry *entry)
{
	bool there;
	size_t at = position_of(index, entry->id, &there);

	if (there) {
		free(entry);
		return 0;
	}
	if (index->count == index->space) {
		size_t space = index->space ? index->space * 2 : 256;
		struct index_entry **bigger =
			reallocarray(index->entries, space, sizeof(struct index_entry *));

		if (!bigger) {
			free(entry);
			return -ENOMEM;
		}
		index->entries = bigger;
		index->space = space;
	}
	memmove(index->entries + at + 1, index->entries + at,
		(index->count - at) * sizeof(struct index_entry *));
	index->entries[at] = entry;
	index->count++;
	entry->number = ++index->next_number;
	return 0;
}

static void erase(struct store_index *index, const char *id)
{
	bool there;
	size_t at = position_of(index, id, &there);

	if (!there)
		return;
	free(index->entries[at]);
	index->count--;
	memmove(index->entries + at, index->entries + at + 1,
		(index->count - at) * sizeof(struct index_entry *));
}

static void add_pending(struct store_index *index, const char *id)
{
	for (size_t i = 0; i < index->pending_count; i++)
		if (strcmp(index->pending[i].id, id) == 0)
			return;
	if (index->pending_count == PENDING_MAX)
		return;
	struct index_pending *p = &index->pending[index->pending_count++];
	snprintf(p->id, sizeof(p->id), "%s", id);
	p->seen_ms = clock_monotonic_ms();
}

static void remove_pending(struct store_index *index, const char *id)
{
	for (size_t i = 0; i < index->pending_count; i++)
		if (strcmp(index->pending[i].id, id) == 0) {
			index->pending[i] = index->pending[--index->pending_count];
			return;
		}
}

static bool has_crash(struct store_index *index, const char *id)
{
	bool there;

	pthread_rwlock_rdlock(&index->lock);
	(void)position_of(index, id, &there);
	pthread_rwlock_unlock(&index->lock);
	return there;
}

/* Without the lock. */
static int add_crash(struct store_index *index, const char *id)
{
	struct index_entry *entry = NULL;

	if (has_crash(index, id))
		return 0;
	int r = index_entry_read(index->store, id, index->boot_id, &entry);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* gone again */
	pthread_rwlock_wrlock(&index->lock);
	r = insert(index, entry);
	pthread_rwlock_unlock(&index->lock);
	return r;
}

/* --- reading the directory --- */

static int by_publication(const void *a, const void *b)
{
	const struct index_entry *const *x = a, *const *y = b;

	return (*x)->published_us < (*y)->published_us ? -1
						       : (*x)->published_us > (*y)->published_us;
}

/* Of those that were there before us the records tell in which order they were published. */
static int number_all(struct store_index *index)
{
	cleanup_free struct index_entry **order =
		calloc(index->count + 1, sizeof(struct index_entry *));

	if (!order)
		return -ENOMEM;
	memcpy(order, index->entries, index->count * sizeof(struct index_entry *));
	qsort(order, index->count, sizeof(struct index_entry *), by_publication);
	for (size_t i = 0; i < index->count; i++)
		order[i]->number = i + 1;
	index->next_number = index->count;
	return 0;
}

static int load_pending(struct store_index *index)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;
	int r = store_list_partial(index->store, &ids, &count);

	pthread_rwlock_wrlock(&index->lock);
	index->pending_count = 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		add_pending(index, ids[i]);
	pthread_rwlock_unlock(&index->lock);
	return r;
}

static int newest_first(const void *id, const void *other)
{
	return strcmp(other, id);
}

/* Takes in what is there and forgets what is not. */
static int load(struct store_index *index)
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;
	int r = load_pending(index);

	if (r == 0)
		r = store_list(index->store, &ids, &count);
	for (size_t i = count; r == 0 && i > 0; i--)
		r = add_crash(index, ids[i - 1]);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&index->lock);
	for (size_t i = index->count; i > 0; i--) {
		const char *id = index->entries[i - 1]->id;

		if (!ids || !bsearch(id, ids, count, CRASH_ID_SIZE, newest_first))
			erase(index, id);
	}
	index_entry_mark_deleted(index->store, index->entries, index->count);
	pthread_rwlock_unlock(&index->lock);
	/* The records are larger than what is kept of them. */
	malloc_trim(0);
	return 0;
}

/* --- following it --- */

static bool is_partial(const char *name, char id[CRASH_ID_SIZE])
{
	size_t len = strlen(name), suffix = strlen(PARTIAL_SUFFIX);

	if (name[0] != '.' || len <= suffix + 1 || len - suffix - 1 >= CRASH_ID_SIZE ||
	    strcmp(name + len - suffix, PARTIAL_SUFFIX) != 0)
		return false;
	memcpy(id, name + 1, len - suffix - 1);
	id[len - suffix - 1] = '\0';
	return crash_id_is_valid(id);
}

static int take_event(struct store_index *index, const struct inotify_event *event)
{
	bool came = event->mask & (IN_CREATE | IN_MOVED_TO);
	const char *name = event->len > 0 ? event->name : "";
	char id[CRASH_ID_SIZE];
	int r = 0;

	if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT | IN_IGNORED))
		return load(index);
	if (crash_id_is_valid(name) && came)
		return add_crash(index, name);
	/* A capture that is over is published by now: first that one is seen, then the other one
	 * not, so that nobody sees neither. */
	if (is_partial(name, id) && !came)
		r = add_crash(index, id);
	pthread_rwlock_wrlock(&index->lock);
	if (crash_id_is_valid(name))
		erase(index, name);
	else if (is_partial(name, id) && came)
		add_pending(index, id);
	else if (is_partial(name, id))
		remove_pending(index, id);
	pthread_rwlock_unlock(&index->lock);
	return r;
}

/* Those that there are, up to a buffer of them. False: there were none. */
static bool take_some(struct store_index *index)
{
	char buf[EVENT_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(index->inotify_fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(buf + at);
		int r = take_event(index, event);

		if (r < 0)
			log_warning("the store cannot be followed: %s", strerror(-r));
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (n > 0)
		index->changed(index->context);
	return n > 0;
}

/*
 * Takes in what has happened until now, which the own thread may not have come to yet: so whoever
 * asks after this sees what was there before.
 */
void store_index_catch_up(struct store_index *index)
{
	pthread_mutex_lock(&index->reading);
	/* In a storm of crashes there are always more: those may be seen the next time. */
	for (int i = 0; i < CATCH_UP_MAX && take_some(index); i++)
		;
	pthread_mutex_unlock(&index->reading);
}

static void *follow(void *context)
{
	struct store_index *index = context;
	struct pollfd fds[] = { { .fd = index->inotify_fd, .events = POLLIN },
				{ .fd = index->stop_fd, .events = POLLIN } };

	while (fds[1].revents == 0) {
		if (poll(fds, 2, -1) > 0 && (fds[0].revents & POLLIN))
			store_index_catch_up(index);
	}
	return NULL;
}

static int watch(struct store_index *index)
{
	char path[64];

	index->stop_fd = eventfd(0, EFD_CLOEXEC);
	index->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (index->stop_fd < 0 || index->inotify_fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", index->store->crashes_fd);
	return inotify_add_watch(index->inotify_fd, path,
				 IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) <
			       0
		       ? -errno
		       : 0;
}

static void free_index(struct store_index *index)
{
	fd_close(&index->inotify_fd);
	fd_close(&index->stop_fd);
	for (size_t i = 0; i < index->count; i++)
		free(index->entries[i]);
	free(index->entries);
	free(index->pending);
	pthread_rwlock_destroy(&index->lock);
	pthread_mutex_destroy(&index->reading);
	free(index);
}

/*
 * Reads the store, which must live as long, and follows it from then on; changed() is called by
 * that thread after each change.  0 or -errno.
 */
int store_index_start(const struct store *store, void (*changed)(void *context), void *context,
		      struct store_index **ret_index)
{
	struct store_index *index = calloc(1, sizeof(*index));
	pthread_rwlockattr_t attributes;

	if (!index)
		return -ENOMEM;
	index->store = store;
	index->changed = changed;
	index->context = context;
	index->inotify_fd = index->stop_fd = -1;
	index_entry_boot_id(index->boot_id);
	pthread_mutex_init(&index->reading, NULL);
	/* A publication does not wait for those who look. */
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&index->lock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	index->pending = calloc(PENDING_MAX, sizeof(*index->pending));
	int r = index->pending ? watch(index) : -ENOMEM;
	if (r == 0)
		r = load(index);
	if (r == 0)
		r = number_all(index);
	if (r == 0)
		r = -pthread_create(&index->thread, NULL, follow, index);
	if (r < 0) {
		free_index(index);
		return r;
	}
	*ret_index = index;
	return 0;
}

/* Ends it, when nobody asks any more. */
void store_index_stop(struct store_index **index)
{
	if (!*index)
		return;
	(void)eventfd_write((*index)->stop_fd, 1);
	pthread_join((*index)->thread, NULL);
	free_index(*index);
	*index = NULL;
}

/* --- questions --- */

/*
 * Calls fn for every crash with an id lower than `before` (NULL: all), newest first, until it
 * returns something other than 0, which is returned.
 */
int store_index_walk(struct store_index *index, const char *before, index_fn fn, void *context)
{
	bool there;
	int r = 0;

	pthread_rwlock_rdlock(&index->lock);
	size_t i = before ? position_of(index, before, &there) : index->count;
	for (; i > 0 && r == 0; i--)
		if (!index->entries[i - 1]->is_deleted)
			r = fn(context, index->entries[i - 1]);
	pthread_rwlock_unlock(&index->lock);
	return r;
}

/* Calls fn for the crash of this id. What it returned; -ENOENT: there is none. */
int store_index_find(struct store_index *index, const char *id, index_fn fn, void *context)
{
	bool there;
	int r = -ENOENT;

	pthread_rwlock_rdlock(&index->lock);
	size_t at = position_of(index, id, &there);
	if (there && !index->entries[at]->is_deleted)
		r = fn(context, index->entries[at]);
	pthread_rwlock_unlock(&index->lock);
	return r;
}

/* Nobody finds this crash any more. False: there is none. */
bool store_index_delete(struct store_index *index, const char *id)
{
	bool there;

	pthread_rwlock_wrlock(&index->lock);
	size_t at = position_of(index, id, &there);
	there = there && !index->entries[at]->is_deleted;
	if (there)
		index->entries[at]->is_deleted = true;
	pthread_rwlock_unlock(&index->lock);
	return there;
}

/* How many crashes there are. */
size_t store_index_count(struct store_index *index)
{
	pthread_rwlock_rdlock(&index->lock);
	size_t count = index->count;
	pthread_rwlock_unlock(&index->lock);
	return count;
}

/* Those that are being captured, or were cut off: at most max. Returns how many. */
size_t store_index_pending(struct store_index *index, struct index_pending *pending, size_t max)
{
	pthread_rwlock_rdlock(&index->lock);
	size_t count = index->pending_count < max ? index->pending_count : max;
	memcpy(pending, index->pending + (index->pending_count - count), count * sizeof(*pending));
	pthread_rwlock_unlock(&index->lock);
	return count;
}
