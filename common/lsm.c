// SPDX-License-Identifier: MIT
/*
 * The label that AppArmor or SELinux has for a process.
 *
 * By the kernel's own files, without their libraries: these look for the files by themselves, and
 * that must not be done in the container.
 */
#include "lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

/* Below /proc/PID, the first that is there; "current" alone is that of the first LSM that has one.
 */
static const char *const label_files[][3] = {
	[LSM_APPARMOR] = { "attr/apparmor/current", "attr/current", NULL },
	[LSM_SELINUX] = { "attr/current", NULL },
};

/* Which one is in force, by its files below sysfs ("/sys"). */
enum lsm lsm_find(const char *sysfs)
{
	char path[128];
	cleanup_free char *text = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%s/module/apparmor/parameters/enabled", sysfs);
	if (file_read_at(AT_FDCWD, path, 16, &text, &len) == 0 && text[0] == 'Y')
		return LSM_APPARMOR;
	snprintf(path, sizeof(path), "%s/fs/selinux/enforce", sysfs);
	return access(path, F_OK) == 0 ? LSM_SELINUX : LSM_NONE;
}

/*
 * The label in what attr/current holds: AppArmor puts its mode behind it (" (enforce)"), SELinux a
 * NUL.  -EINVAL: there is none, or it could be taken for more than one; -E2BIG.
 * See: aa_getcon(2), getcon(3).
 */
int lsm_parse_label(enum lsm lsm, const char *text, size_t len, char ret_label[ENTER_LABEL_SIZE])
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	if (lsm == LSM_APPARMOR && len > 0 && text[len - 1] == ')') {
		const char *mode = memrchr(text, ' ', len);

		if (mode && mode[1] == '(')
			len = (size_t)(mode - text);
	}
	if (len >= ENTER_LABEL_SIZE)
		return -E2BIG;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return -EINVAL;
	if (len == 0)
		return -EINVAL;
	memcpy(ret_label, text, len);
	ret_label[len] = '\0';
	return 0;
}

/* The label of the process whose /proc directory procfd is.  0 or -errno. */
int lsm_read_label(enum lsm lsm, int procfd, char ret_label[ENTER_LABEL_SIZE])
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = -ENOENT;

	for (const char *const *name = label_files[lsm]; *name && r == -ENOENT; name++)
		r = file_read_at(procfd, *name, 4096, &text, &len);
	return r < 0 ? r : lsm_parse_label(lsm, text, len, ret_label);
}

/* Our own label, for lsm_change(): a descriptor, or -errno.  On the host, before anything is
 * entered. */
int lsm_open_own(enum lsm lsm)
{
	char path[64];
	int fd = -1;

	for (const char *const *name = label_files[lsm]; *name && fd < 0; name++) {
		snprintf(path, sizeof(path), "/proc/thread-self/%s", *name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			return -errno;
	}
	return fd < 0 ? -ENOENT : fd;
}

/* Takes on the label, by one write to what lsm_open_own() gave this very thread.  0 or -errno. */
int lsm_change(int label_fd, enum lsm lsm, const char *label)
{
	char text[ENTER_LABEL_SIZE + 16];
	int n = snprintf(text, sizeof(text), "%s%s", lsm == LSM_APPARMOR ? "changeprofile " : "",
			 label);

	/* SELinux counts the NUL. */
	if (lsm == LSM_SELINUX)
		n++;
	ssize_t written = write(label_fd, text, (size_t)n);
	if (written < 0)
		return -errno;
	return written == n ? 0 : -EIO;
}
