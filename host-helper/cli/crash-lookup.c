// SPDX-License-Identifier: MIT
/*
 * A crash in the store, by what the operator calls it, and its record.
 *
 * The name is the operator's, and is only ever compared: the name that is opened is one of the
 * store's own.  The record may be damaged, and holds what the victim chose.
 */
#include "crash-lookup.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "fd.h"
#include "log.h"

#define NEWEST "last"

/*
 * Finds the crash of this id, of the only id that starts so, or the newest one ("last").  Tells
 * where there is none, or more than one; returns a sysexits(3) code.
 */
int crash_lookup(const struct store *store, const char *name, char id[CRASH_ID_SIZE])
{
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0, found = 0, matches = 0, len = strlen(name);
	int r = store_list(store, &ids, &count);

	if (r < 0) {
		log_error("the store cannot be listed: %s", strerror(-r));
		return r == -EACCES ? EX_NOPERM : EX_IOERR;
	}
	bool newest = strcmp(name, NEWEST) == 0;
	for (size_t i = 0; i < count && len > 0; i++) {
		if (newest ? i > 0 : strncmp(ids[i], name, len) != 0)
			continue;
		found = i;
		matches++;
		if (strcmp(ids[i], name) == 0) {
			matches = 1;
			break;
		}
	}
	if (matches == 1) {
		memcpy(id, ids[found], CRASH_ID_SIZE);
		return EX_OK;
	}
	if (matches > 1)
		log_error("'%s' may be any of %zu crashes, '%s' for one; `coreferry list` shows "
			  "their ids",
			  name, matches, ids[found]);
	else if (newest)
		log_error("there is no crash in the store yet");
	else
		log_error("there is no crash '%s' in the store; `coreferry list` shows them", name);
	return EX_NOINPUT;
}

static int read_file(int dirfd, char **ret_text, size_t *ret_len)
{
	int r = file_read_at(dirfd, CRASH_JSON_NAME, CRASH_JSON_MAX, ret_text, ret_len);

	/* The crash is there, so it is not the caller's -ENOENT. */
	return r == -ENOENT || r == -EFBIG ? -EINVAL : r;
}

/*
 * Reads the record of a crash.  *ret_dirfd, if not NULL: its directory (close it); *ret_text with
 * *ret_len, if not NULL: the file as it is (free it); *ret_crash: crash_release() it.
 * 0; -EINVAL: missing, damaged, or another crash's; -ENOENT: the crash is gone; -errno.
 */
int crash_lookup_record(const struct store *store, const char *id, int *ret_dirfd,
			struct crash *ret_crash, char **ret_text, size_t *ret_len)
{
	cleanup_crash struct crash crash;
	cleanup_free char *text = NULL;
	cleanup_fd int dirfd = -1;
	size_t len = 0;

	crash_init(&crash);
	int r = store_open_crash(store, id, &dirfd);
	if (r == 0)
		r = read_file(dirfd, &text, &len);
	if (r == 0)
		r = crash_from_json(text, len, &crash);
	if (r == 0 && strcmp(crash.id, id) != 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret_crash = crash;
	crash_init(&crash);
	if (ret_dirfd)
		*ret_dirfd = fd_steal(&dirfd);
	if (ret_text) {
		*ret_text = ptr_steal(&text);
		*ret_len = len;
	}
	return 0;
}

/* What crash_lookup_record()'s -errno means for the record. */
const char *crash_lookup_strerror(int error)
{
	switch (error) {
	case -EINVAL:
		return "its " CRASH_JSON_NAME " is missing or damaged";
	case -ENOENT:
		return "it is gone";
	case -EACCES:
		return "it is readable for root only";
	default:
		return strerror(-error);
	}
}
