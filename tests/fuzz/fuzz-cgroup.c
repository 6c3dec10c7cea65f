// SPDX-License-Identifier: MIT
/*
 * common/cgroup.c: /proc/PID/cgroup, whose inner parts a container may have named, and mountinfo.
 *
 * What comes out is a path that root opens: below a mount that is named in mountinfo, never up.
 * The input's first part (to a NUL) is the one, the rest the other.
 */
#include "cgroup.h"

#include <errno.h>

#include "fuzz.h"

static void check_path(const char *path)
{
	cleanup_free char *copy = strdup(path);
	char *save = NULL;

	assert(copy && strlen(path) < PATH_MAX && !strchr(path, '\n'));
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save))
		assert(strcmp(part, "..") != 0);
}

static void check_mount(const char *mountinfo, const struct cgroup_line *line)
{
	static struct cgroup_mount mount;
	int r = cgroup_find_mount(mountinfo, line, &mount);

	assert(r == 0 || r == -ENOENT);
	if (r < 0)
		return;
	assert(mount.path[0] != '/' && mount.path[0] != '\0' && strstr(mountinfo, mount.directory));
	check_path(mount.path);
	assert(strcmp(mount.path, ".") == 0 || strstr(line->path, mount.path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	size_t len = strlen(text);
	cleanup_free char *mountinfo =
		len < size ? fuzz_string(data + len + 1, size - len - 1) : strdup("");
	static struct cgroup_line line;
	const char *rest = text;
	int r;

	assert(mountinfo);
	while ((r = cgroup_next_line(&rest, &line)) > 0) {
		assert(rest > text && rest <= text + len && line.path[0] == '/');
		check_path(line.path);
		check_mount(mountinfo, &line);
		(void)cgroup_is_service(&line);
	}
	assert(r == -EINVAL || (r == 0 && *rest == '\0'));
	return 0;
}
