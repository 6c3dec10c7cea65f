// SPDX-License-Identifier: MIT
/*
 * Lines of /proc/PID/cgroup, and where their hierarchies are mounted.  Pure.
 *
 * A path becomes one that root opens: whatever is not plainly a path below the hierarchy's root is
 * refused here, and the kernel is told to refuse it once more when it is opened (openat2).
 */
#include "cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fd.h"

/* "/", or "/a/b": no empty part, none of dots only. */
static bool is_plain_path(const char *path)
{
	if (strcmp(path, "/") == 0)
		return true;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
	}
	return *path == '\0';
}

/*
 * Takes the next line ("N:CONTROLLERS:/PATH") off *text.  1; 0 at the end; -EINVAL: not such a
 * line, or a path that leads out of our cgroup namespace ("/../...").  See: cgroups(7).
 */
int cgroup_next_line(const char **text, struct cgroup_line *ret_line)
{
	size_t len = strcspn(*text, "\n");
	const char *line = *text, *end = line + len;

	if (len == 0)
		return **text == '\0' ? 0 : -EINVAL;
	size_t digits = strspn(line, "0123456789");
	if (digits == 0 || line[digits] != ':')
		return -EINVAL;
	const char *controllers = line + digits + 1;
	const char *colon = memchr(controllers, ':', (size_t)(end - controllers));
	if (!colon || (size_t)(colon - controllers) >= sizeof(ret_line->controllers) ||
	    (size_t)(end - colon) > sizeof(ret_line->path) || colon + 1 == end)
		return -EINVAL;
	/* "0::" is version 2, and only that has no name. */
	if ((digits == 1 && line[0] == '0') != (colon == controllers))
		return -EINVAL;
	snprintf(ret_line->controllers, sizeof(ret_line->controllers), "%.*s",
		 (int)(colon - controllers), controllers);
	snprintf(ret_line->path, sizeof(ret_line->path), "%.*s", (int)(end - colon - 1), colon + 1);
	if (!is_plain_path(ret_line->path))
		return -EINVAL;
	*text = *end ? end + 1 : end;
	return 1;
}

/* The line of the same hierarchy in another process's file; false: there is none. */
bool cgroup_find_line(const char *text, const char *controllers, struct cgroup_line *ret_line)
{
	while (cgroup_next_line(&text, ret_line) > 0)
		if (strcmp(ret_line->controllers, controllers) == 0)
			return true;
	return false;
}

/* Is the first of wanted (a list with commas) one of options? */
static bool has_controller(const char *options, const char *wanted)
{
	size_t len = strcspn(wanted, ",");

	for (const char *p = options; *p;) {
		size_t n = strcspn(p, ",");

		if (n == len && memcmp(p, wanted, n) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

/* path without the part at its front that the mount's root is; NULL: it is not below that. */
static const char *below(const char *path, const char *root)
{
	size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	path += len;
	path += *path == '/';
	return *path ? path : ".";
}

/* One line of mountinfo, cut into its fields.  True if it is the mount of this hierarchy. */
static bool match_mount(char *mount, const struct cgroup_line *line, struct cgroup_mount *ret_mount)
{
	char *save = NULL, *fields[5] = { NULL }, *rest = strstr(mount, " - ");
	char *type, *options;

	if (!rest)
		return false;
	*rest = '\0';
	type = strtok_r(rest + 3, " ", &save);
	options = strtok_r(NULL, " ", &save) ? strtok_r(NULL, " ", &save) : NULL;
	if (!type || !options || strcmp(type, line->controllers[0] ? "cgroup" : "cgroup2") != 0 ||
	    (line->controllers[0] && !has_controller(options, line->controllers)))
		return false;
	fields[0] = strtok_r(mount, " ", &save);
	for (int i = 1; i < 5 && fields[i - 1]; i++)
		fields[i] = strtok_r(NULL, " ", &save);
	/* A name that had to be escaped is none of the usual places. */
	if (!fields[4] || strchr(fields[3], '\\') || strchr(fields[4], '\\'))
		return false;
	const char *path = below(line->path, fields[3]);
	if (!path || strlen(fields[4]) >= sizeof(ret_mount->directory))
		return false;
	snprintf(ret_mount->directory, sizeof(ret_mount->directory), "%s", fields[4]);
	snprintf(ret_mount->path, sizeof(ret_mount->path), "%s", path);
	return true;
}

/*
 * Where the cgroup of this line is to be found, by the text of our own /proc/self/mountinfo.
 * -ENOENT: its hierarchy is not mounted here; -ENOMEM.  See: proc_pid_mountinfo(5).
 */
int cgroup_find_mount(const char *mountinfo, const struct cgroup_line *line,
		      struct cgroup_mount *ret_mount)
{
	cleanup_free char *copy = strdup(mountinfo);
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *mount = strtok_r(copy, "\n", &save); mount; mount = strtok_r(NULL, "\n", &save))
		if (match_mount(mount, line, ret_mount))
			return 0;
	return -ENOENT;
}

/* A service of systemd: what is left in there when it ends is killed. */
bool cgroup_is_service(const struct cgroup_line *line)
{
	static const char suffix[] = ".service";
	size_t len = strlen(line->path), suffix_len = sizeof(suffix) - 1;

	return len > suffix_len && strcmp(line->path + len - suffix_len, suffix) == 0;
}
