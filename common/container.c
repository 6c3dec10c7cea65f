// SPDX-License-Identifier: MIT
/*
 * Which container a process is in, from the text of its /proc/PID/cgroup.  Pure.
 *
 * The path's outer parts are the engine's, the inner ones may be the container's own: parts are
 * looked at from the outside in, and the first that names a container counts.
 */
#include "container.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"

static bool take_id(const char *text, size_t len, struct container *c)
{
	if (len != 64 || strspn(text, "0123456789abcdef") < 64)
		return false;
	memcpy(c->id, text, 64);
	c->id[64] = '\0';
	return true;
}

static bool take_name(const char *text, size_t len, struct container *c)
{
	if (len == 0 || len > CONTAINER_NAME_MAX)
		return false;
	memcpy(c->name, text, len);
	c->name[len] = '\0';
	return true;
}

static const struct shape {
	const char *prefix, *suffix; /* of one part of the path */
	const char *runtime;
	bool has_name; /* what stands between is a name, not an id */
} shapes[] = {
	{ "docker-", ".scope", "docker", false },
	{ "libpod-", ".scope", "podman", false },
	{ "libpod-", "", "podman", false },
	{ "cri-containerd-", ".scope", "containerd", false },
	{ "crio-", ".scope", "crio", false },
	{ "crio-", "", "crio", false },
	{ "lxc.payload.", "", "lxc", true },
	{ "machine-", ".scope", "nspawn", true },
};

/* One part of the path; parent: the part before. */
static bool match_part(const char *part, size_t len, const char *parent, size_t parent_len,
		       struct container *c)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *s = &shapes[i];
		size_t prefix = strlen(s->prefix), suffix = strlen(s->suffix);

		if (len <= prefix + suffix || memcmp(part, s->prefix, prefix) != 0 ||
		    memcmp(part + len - suffix, s->suffix, suffix) != 0)
			continue;
		const char *middle = part + prefix;
		size_t middle_len = len - prefix - suffix;

		if (s->has_name ? take_name(middle, middle_len, c)
				: take_id(middle, middle_len, c)) {
			snprintf(c->runtime, sizeof(c->runtime), "%s", s->runtime);
			return true;
		}
	}
	if (parent_len == 6 && memcmp(parent, "docker", 6) == 0 && take_id(part, len, c)) {
		snprintf(c->runtime, sizeof(c->runtime), "docker");
		return true;
	}
	if (parent_len == 3 && memcmp(parent, "lxc", 3) == 0 && take_name(part, len, c)) {
		snprintf(c->runtime, sizeof(c->runtime), "lxc");
		return true;
	}
	/* /kubepods/burstable/pod<uid>/<id>, and other engines that use the bare id. */
	if (take_id(part, len, c)) {
		snprintf(c->runtime, sizeof(c->runtime), "%s",
			 parent_len > 3 && memcmp(parent, "pod", 3) == 0 ? "kubernetes" : "oci");
		return true;
	}
	return false;
}

static bool match_path(const char *path, struct container *c)
{
	const char *parent = "";
	size_t parent_len = 0;

	while (*path == '/') {
		const char *part = path + 1;
		size_t len = strcspn(part, "/");

		if (match_part(part, len, parent, parent_len, c))
			return true;
		parent = part;
		parent_len = len;
		path = part + len;
	}
	return false;
}

/*
 * Fills *ret_container from lines of "N:controllers:/path" (cgroups(7)); all "" where no line names
 * a container.  A line with an id is worth more than one with a name.
 */
void container_from_cgroup(const char *text, struct container *ret_container)
{
	cleanup_free char *copy = strdup(text);
	struct container best = { "", "", "" };
	char *save = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct container c = { "", "", "" };
		char *path = strchr(line, ':');

		path = path ? strchr(path + 1, ':') : NULL;
		if (!path || !match_path(path + 1, &c))
			continue;
		if (best.runtime[0] == '\0' || (best.id[0] == '\0' && c.id[0] != '\0'))
			best = c;
	}
	*ret_container = best;
}
