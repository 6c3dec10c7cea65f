// SPDX-License-Identifier: MIT
/*
 * One entry of the index, made of a crash's record: one piece of memory, since there are thousands.
 */
#include "store-index-entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "removal.h"

/* Copies text to *at, which moves on behind it. NULL stays NULL. */
static const char *put_text(char **at, const char *text)
{
	char *start = *at;

	if (!text || !*text)
		return NULL;
	*at = stpcpy(start, text) + 1;
	return start;
}

static size_t text_size(const char *text)
{
	return text && *text ? strlen(text) + 1 : 0;
}

static struct index_entry *make_entry(const struct crash *crash, const char *boot_id)
{
	size_t addresses = crash->addresses.count > 0 ? sizeof(struct addresses) : 0;
	size_t size = sizeof(struct index_entry) + addresses + text_size(crash->exe) +
		      text_size(crash->container_name) + text_size(crash->container_id);
	struct index_entry *e = calloc(1, size);

	if (!e)
		return NULL;
	char *at = (char *)(e + 1);
	if (addresses) {
		memcpy(at, &crash->addresses, addresses);
		e->addresses = (const struct addresses *)(void *)at;
		at += addresses;
	}
	e->exe = put_text(&at, crash->exe);
	e->container_name = put_text(&at, crash->container_name);
	e->container_id = put_text(&at, crash->container_id);
	e->time_us = crash->time_us;
	e->published_us = crash->published_us;
	e->pid = crash->pid;
	e->uid = crash->uid;
	e->signal = crash->signal;
	e->root_only = crash->root_only;
	e->is_this_boot = boot_id[0] && crash->boot_id && strcmp(crash->boot_id, boot_id) == 0;
	return e;
}

/*
 * Reads the record of a crash.  One that is damaged has an entry, too, of which nobody gets more
 * than that it exists.  -ENOENT: the crash is gone; -ENOMEM.  Free it.
 */
int index_entry_read(const struct store *store, const char *id, const char *boot_id,
		     struct index_entry **ret_entry)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	int r = store_open_crash(store, id, &dirfd);
	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = store_read_record(dirfd, &crash);
	if (r == -ENOMEM)
		return r;
	bool is_damaged = r < 0 || strcmp(crash.id, id) != 0;
	if (is_damaged) {
		crash_release(&crash);
		crash.root_only = true;
		if (crash_id_parse(id, &crash.time_us, &crash.pid) == 0)
			crash.published_us = crash.time_us;
	}
	struct index_entry *entry = make_entry(&crash, boot_id);
	if (!entry)
		return -ENOMEM;
	memcpy(entry->id, id, strlen(id) + 1);
	entry->is_damaged = is_damaged;
	*ret_entry = entry;
	return 0;
}

/* Marks those that are to be removed (see removal.h). */
void index_entry_mark_deleted(const struct store *store, struct index_entry **entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!entries[i]->is_deleted && removal_is_requested(store, entries[i]->id))
			entries[i]->is_deleted = true;
}

/* The kernel's id of this boot, or "". See: random(4). */
void index_entry_boot_id(char boot_id[INDEX_BOOT_ID_SIZE])
{
	cleanup_free char *text = NULL;
	size_t len;

	boot_id[0] = '\0';
	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &len) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) < INDEX_BOOT_ID_SIZE)
		memcpy(boot_id, text, strlen(text) + 1);
}
