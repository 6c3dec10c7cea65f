/* SPDX-License-Identifier: MIT */
/*
 * The kernel's three settings for core dumps: read, written, and read back.
 *
 * Their values are root's, but any program of root's may have written them: they are bounded here,
 * kept as the text that they are, and given back byte for byte.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The order in which they are written: the pattern last, for with it the first crash may come. */
enum kernel_setting {
	KERNEL_PIPE_LIMIT,
	KERNEL_SUID_DUMPABLE,
	KERNEL_CORE_PATTERN,
};

#define KERNEL_SETTING_COUNT 3
/* 127 characters of core_pattern and the NUL; one more, so that a longer value is seen. */
#define KERNEL_SETTING_SIZE 129
#define KERNEL_BOOT_ID_SIZE 37

/* Every value as the kernel shows it, without the line's end. */
struct kernel_settings {
	char value[KERNEL_SETTING_COUNT][KERNEL_SETTING_SIZE];
};

/* Where the settings are, and what writes them: /proc and fd_write_all(), but in unit tests. */
struct kernel_access {
	const char *procfs_root;
	int (*write_all)(int fd, const void *data, size_t len);
};

extern const struct kernel_access kernel_access_real;

/* kernel_setting_write(): the kernel said yes, but what it has now is something else. */
#define KERNEL_SETTING_NOT_TAKEN 1

const char *kernel_setting_name(enum kernel_setting setting);
bool kernel_setting_is_valid(enum kernel_setting setting, const char *value);
int kernel_setting_read(const struct kernel_access *access, enum kernel_setting setting,
			char value[KERNEL_SETTING_SIZE]);
int kernel_setting_write(const struct kernel_access *access, enum kernel_setting setting,
			 const char *value);
int kernel_settings_read(const struct kernel_access *access, struct kernel_settings *ret_settings);
int kernel_boot_id_read(const struct kernel_access *access, char boot_id[KERNEL_BOOT_ID_SIZE]);
