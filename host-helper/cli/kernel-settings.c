// SPDX-License-Identifier: MIT
/*
 * The kernel's three settings for core dumps: read, written, and read back.  See: core(5), proc(5).
 *
 * Their values are root's.  Nothing is believed to be in force that was not read back: before Linux
 * 6.17 a long core_pattern is cut without a word, and since then a bad one is taken without a word.
 */
#include "kernel-settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fd.h"

const struct kernel_access kernel_access_real = { "/proc", fd_write_all };

static const struct {
	const char *name, *path;
} settings[KERNEL_SETTING_COUNT] = {
	[KERNEL_PIPE_LIMIT] = { "core_pipe_limit", "sys/kernel/core_pipe_limit" },
	[KERNEL_SUID_DUMPABLE] = { "suid_dumpable", "sys/fs/suid_dumpable" },
	[KERNEL_CORE_PATTERN] = { "core_pattern", "sys/kernel/core_pattern" },
};

/* "core_pattern" and the like, for messages and for JSON. */
const char *kernel_setting_name(enum kernel_setting setting)
{
	return settings[setting].name;
}

/* True for what the kernel could hold: one line that fits, and a number where it has one. */
bool kernel_setting_is_valid(enum kernel_setting setting, const char *value)
{
	if (setting == KERNEL_CORE_PATTERN)
		return strlen(value) < KERNEL_SETTING_SIZE - 1 && !strchr(value, '\n');
	if (*value == '-')
		value++;
	size_t digits = strspn(value, "0123456789");
	return digits >= 1 && digits <= 10 && value[digits] == '\0';
}

/* Reads the file `path` of /proc, one line of less than `size` bytes. -EBADMSG: something else. */
static int read_line(const struct kernel_access *access, const char *path, char *value, size_t size)
{
	cleanup_fd int root = open(access->procfs_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t len;

	if (root < 0)
		return -errno;
	int r = file_read_at(root, path, size, &text, &len);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	if (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len >= size || strlen(text) != len || strchr(text, '\n'))
		return -EBADMSG;
	memcpy(value, text, len + 1);
	return 0;
}

/* Reads one setting, without the line's end. 0, -EBADMSG (not what a kernel shows) or -errno. */
int kernel_setting_read(const struct kernel_access *access, enum kernel_setting setting,
			char value[KERNEL_SETTING_SIZE])
{
	char text[KERNEL_SETTING_SIZE] = "";
	int r = read_line(access, settings[setting].path, text, sizeof(text));

	if (r < 0)
		return r;
	if (!kernel_setting_is_valid(setting, text))
		return -EBADMSG;
	memcpy(value, text, strlen(text) + 1);
	return 0;
}

static int write_value(const struct kernel_access *access, enum kernel_setting setting,
		       const char *value)
{
	char line[KERNEL_SETTING_SIZE + 1];
	int n = snprintf(line, sizeof(line), "%s\n", value);
	cleanup_fd int root = open(access->procfs_root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	cleanup_fd int fd =
		openat(root, settings[setting].path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The kernel takes a value from one write only; the line's end lets "" be written, too. */
	return access->write_all(fd, line, (size_t)n);
}

/*
 * Writes one setting and reads it back.  0: exactly `value` is in force now;
 * KERNEL_SETTING_NOT_TAKEN: something else is; -EINVAL: no value of this setting; -errno.
 */
int kernel_setting_write(const struct kernel_access *access, enum kernel_setting setting,
			 const char *value)
{
	char now[KERNEL_SETTING_SIZE];

	if (!kernel_setting_is_valid(setting, value))
		return -EINVAL;
	int r = write_value(access, setting, value);
	if (r == 0)
		r = kernel_setting_read(access, setting, now);
	if (r < 0)
		return r;
	return strcmp(now, value) == 0 ? 0 : KERNEL_SETTING_NOT_TAKEN;
}

/* Reads all three. 0 or -errno of the first that could not be read. */
int kernel_settings_read(const struct kernel_access *access, struct kernel_settings *ret_settings)
{
	struct kernel_settings now = { 0 };

	for (int i = 0; i < KERNEL_SETTING_COUNT; i++) {
		int r = kernel_setting_read(access, (enum kernel_setting)i, now.value[i]);

		if (r < 0)
			return r;
	}
	*ret_settings = now;
	return 0;
}

/* Reads the id of this boot, by which a reboot is noticed. 0, -EBADMSG or -errno. */
int kernel_boot_id_read(const struct kernel_access *access, char boot_id[KERNEL_BOOT_ID_SIZE])
{
	char text[KERNEL_BOOT_ID_SIZE + 1];
	int r = read_line(access, "sys/kernel/random/boot_id", text, sizeof(text));

	if (r < 0)
		return r;
	if (strlen(text) != KERNEL_BOOT_ID_SIZE - 1 ||
	    strspn(text, "0123456789abcdef-") != KERNEL_BOOT_ID_SIZE - 1)
		return -EBADMSG;
	memcpy(boot_id, text, KERNEL_BOOT_ID_SIZE);
	return 0;
}
