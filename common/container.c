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

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* A machine's name as systemd has escaped it for the name of a unit.  See: systemd.unit(5). */
static bool take_unit_name(const char *text, size_t len, struct container *c)
{
	char name[CONTAINER_NAME_MAX];
	size_t n = 0;

	if (len > sizeof(name))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool escaped = len - i >= 4 && text[i] == '\\' && text[i + 1] == 'x';
		int high = escaped ? hex_value(text[i + 2]) : -1;
		int low = high < 0 ? -1 : hex_value(text[i + 3]);

		/* Nothing but what a name may hold is unescaped: no slash, no line end. */
		if (low >= 0 && (high << 4 | low) > 0x20 && (high << 4 | low) < 0x7f &&
		    (high << 4 | low) != '/') {
			name[n++] = (char)(high << 4 | low);
			i += 3;
		} else {
			name[n++] = text[i];
		}
	}
	return take_name(name, n, c);
}

enum middle { MIDDLE_ID, MIDDLE_NAME, MIDDLE_UNIT_NAME };

static const struct shape {
	const char *prefix, *suffix; /* of one part of the path */
	const char *runtime;
	enum middle middle; /* what stands between */
} shapes[] = {
	{ "docker-", ".scope", "docker", MIDDLE_ID },
	{ "libpod-", ".scope", "podman", MIDDLE_ID },
	{ "libpod-", "", "podman", MIDDLE_ID },
	{ "cri-containerd-", ".scope", "containerd", MIDDLE_ID },
	{ "crio-", ".scope", "crio", MIDDLE_ID },
	{ "crio-", "", "crio", MIDDLE_ID },
	{ "lxc.payload.", "", "lxc", MIDDLE_NAME },
	{ "machine-", ".scope", "nspawn", MIDDLE_UNIT_NAME },
	{ "systemd-nspawn@", ".service", "nspawn", MIDDLE_UNIT_NAME },
};

static bool take_middle(enum middle kind, const char *text, size_t len, struct container *c)
{
	switch (kind) {
	case MIDDLE_ID:
		return take_id(text, len, c);
	case MIDDLE_NAME:
		return take_name(text, len, c);
	case MIDDLE_UNIT_NAME:
		return take_unit_name(text, len, c);
	}
	return false;
}

/* The n last bytes of part, behind "pod", if that is what an uid may be. */
static bool take_pod_uid(const char *part, size_t len, size_t n, struct container *c)
{
	char uid[sizeof(c->pod_uid)];

	if (len < n + 3 || memcmp(part + len - n - 3, "pod", 3) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		char letter = part[len - n + i];

		uid[i] = letter == '_' ? '-' : letter;
		if (uid[i] != '-' && hex_value(uid[i]) < 0)
			return false;
	}
	memcpy(c->pod_uid, uid, n);
	c->pod_uid[n] = '\0';
	return true;
}

/* The uid of a pod: ".../pod<uid>/<id>", or "...-pod<uid>.slice/<scope>" with '_' for '-'. */
static void take_pod(const char *part, size_t len, struct container *c)
{
	static const char slice[] = ".slice";

	if (len > strlen(slice) && memcmp(part + len - strlen(slice), slice, strlen(slice)) == 0)
		len -= strlen(slice);
	/* A static pod's is a digest, without dashes. */
	if (!take_pod_uid(part, len, 36, c))
		(void)take_pod_uid(part, len, 32, c);
}

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

		if (take_middle(s->middle, middle, middle_len, c)) {
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

static void take_parent(const char *hierarchy, size_t hierarchy_len, const char *path,
			size_t path_len, struct container *c)
{
	if (hierarchy_len >= sizeof(c->hierarchy) || path_len >= sizeof(c->parent))
		return;
	snprintf(c->hierarchy, sizeof(c->hierarchy), "%.*s", (int)hierarchy_len, hierarchy);
	snprintf(c->parent, sizeof(c->parent), "%.*s", path_len ? (int)path_len : 1,
		 path_len ? path : "/");
}

/* line: what stands behind the hierarchy's number: "CONTROLLERS:PATH". */
static bool match_line(const char *line, struct container *c)
{
	const char *parent = "", *start = strchr(line, ':'), *path = start ? start + 1 : "";
	size_t parent_len = 0;

	while (*path == '/') {
		const char *part = path + 1;
		size_t len = strcspn(part, "/");

		if (match_part(part, len, parent, parent_len, c)) {
			take_pod(parent, parent_len, c);
			take_parent(line, (size_t)(start - line), start + 1,
				    (size_t)(path - start - 1), c);
			return true;
		}
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
	struct container best = { .runtime = "" };
	char *save = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct container c = { .runtime = "" };
		const char *colon = strchr(line, ':');

		if (!colon || !match_line(colon + 1, &c))
			continue;
		if (best.runtime[0] == '\0' || (best.id[0] == '\0' && c.id[0] != '\0'))
			best = c;
	}
	*ret_container = best;
}
