// SPDX-License-Identifier: MIT
/*
 * What was in force before we registered, and what we wrote: STORE/registration.json.
 *
 * Only root reads and writes it, in a directory that only root can write.  It must be on the disk
 * before the first setting is changed, and it must never be read as something that it is not: what
 * it holds goes into the kernel's settings.
 */
#include "registration-state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crash-id.h"
#include "fd.h"
#include "text.h"

#define STATE_VERSION  1
#define STATE_NEW_NAME "." REGISTRATION_STATE_NAME ".new"

static int put(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

/* Values are texts, so that exactly what was there can be put back; escaped, for they may be any
 * bytes. */
static json_t *settings_to_json(const struct kernel_settings *settings)
{
	json_t *object = json_object();

	for (int i = 0; object && i < KERNEL_SETTING_COUNT; i++) {
		const char *value = settings->value[i];
		cleanup_free char *escaped = text_escape(value, strlen(value));

		if (put(object, kernel_setting_name((enum kernel_setting)i),
			escaped ? json_string(escaped) : NULL) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

/* The state as JSON text (free it). 0, -ERANGE (the time) or -ENOMEM. */
int registration_state_to_json(const struct registration_state *state, char **ret_text)
{
	char time[32];
	int r = crash_time_format(state->time_us, time);
	json_t *object = r < 0 ? NULL : json_object();

	if (r == 0 && (!object || put(object, "version", json_integer(STATE_VERSION)) < 0 ||
		       put(object, "time", json_string(time)) < 0 ||
		       put(object, "time_us", json_integer((json_int_t)state->time_us)) < 0 ||
		       put(object, "boot_id", json_string(state->boot_id)) < 0 ||
		       put(object, "previous", settings_to_json(&state->previous)) < 0 ||
		       put(object, "written", settings_to_json(&state->written)) < 0))
		r = -ENOMEM;
	cleanup_free char *text = r == 0 ? json_dumps(object, JSON_INDENT(2)) : NULL;
	json_decref(object);
	if (r < 0)
		return r;
	return text && asprintf(ret_text, "%s\n", text) >= 0 ? 0 : -ENOMEM;
}

/* may_be_left: "" may stand for a number that we did not write. */
static int settings_from_json(const json_t *object, bool may_be_left,
			      struct kernel_settings *settings)
{
	for (int i = 0; i < KERNEL_SETTING_COUNT; i++) {
		enum kernel_setting setting = (enum kernel_setting)i;
		const char *escaped =
			json_string_value(json_object_get(object, kernel_setting_name(setting)));
		size_t len;

		if (!escaped)
			return -EINVAL;
		cleanup_free char *value = text_unescape(escaped, &len);
		if (!value)
			return -ENOMEM;
		if (len != strlen(value) ||
		    (!kernel_setting_is_valid(setting, value) && !(may_be_left && len == 0)))
			return -EINVAL;
		memcpy(settings->value[i], value, len + 1);
	}
	return 0;
}

static int state_from_object(const json_t *object, struct registration_state *state)
{
	const char *boot_id = json_string_value(json_object_get(object, "boot_id"));
	json_int_t version = json_integer_value(json_object_get(object, "version"));
	json_int_t time_us = json_integer_value(json_object_get(object, "time_us"));

	if (version != STATE_VERSION || time_us < 0 || !boot_id ||
	    strlen(boot_id) != KERNEL_BOOT_ID_SIZE - 1)
		return -EINVAL;
	memcpy(state->boot_id, boot_id, KERNEL_BOOT_ID_SIZE);
	state->time_us = (uint64_t)time_us;
	int r = settings_from_json(json_object_get(object, "previous"), false, &state->previous);
	return r < 0 ? r
		     : settings_from_json(json_object_get(object, "written"), true,
					  &state->written);
}

/* Reads a state. 0; -EINVAL: damaged, or of a version that we do not know; -ENOMEM. */
int registration_state_from_json(const char *text, size_t len, struct registration_state *ret_state)
{
	struct registration_state state = { 0 };
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int r = json_is_object(object) ? state_from_object(object, &state) : -EINVAL;

	json_decref(object);
	if (r == 0)
		*ret_state = state;
	return r;
}

/* Reads the file below the store's dirfd. -ENOENT: nothing is remembered; -EINVAL: damaged; -errno.
 */
int registration_state_load(int dirfd, struct registration_state *ret_state)
{
	cleanup_free char *text = NULL;
	size_t len;
	int r = file_read_at(dirfd, REGISTRATION_STATE_NAME, REGISTRATION_STATE_MAX, &text, &len);

	if (r < 0)
		return r == -EFBIG ? -EINVAL : r;
	return registration_state_from_json(text, len, ret_state);
}

static int write_synced(int dirfd, const char *name, const char *text, size_t len)
{
	cleanup_fd int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int r = fchmod(fd, 0600) < 0 ? -errno : fd_write_all(fd, text, len);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* dirfd may be an O_PATH descriptor, which cannot be synced itself. */
static int sync_directory(int dirfd)
{
	cleanup_fd int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/*
 * Writes the file, 0600, by one rename: when this returns 0 it is on the disk.  dirfd must be a
 * directory that only we can write.  -errno, and then the old one is still there.
 */
int registration_state_save(int dirfd, const struct registration_state *state)
{
	cleanup_free char *text = NULL;
	int r = registration_state_to_json(state, &text);

	if (r < 0)
		return r;
	/* What a run that was killed left behind: we hold the lock, so nobody is writing it. */
	if (unlinkat(dirfd, STATE_NEW_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	r = write_synced(dirfd, STATE_NEW_NAME, text, text ? strlen(text) : 0);
	if (r == 0 && renameat(dirfd, STATE_NEW_NAME, dirfd, REGISTRATION_STATE_NAME) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, STATE_NEW_NAME, 0);
		return r;
	}
	return sync_directory(dirfd);
}

/* Removes the file; none there is fine. 0 or -errno. */
int registration_state_remove(int dirfd)
{
	if (unlinkat(dirfd, REGISTRATION_STATE_NAME, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_directory(dirfd);
}
