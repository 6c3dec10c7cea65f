// SPDX-License-Identifier: MIT
/*
 * What a path below /cores means.  Pure.
 *
 * The path is the peer's, as it was sent.  An id is taken if it is of the exact shape; a file's
 * name is one of ours that it is equal to, so none of the peer's bytes ever name a file.
 */
#include <string.h>

#include "api.h"

/* Not environ, which holds secrets: that is for the host's root. */
static const char *const files[] = {
	"maps", "limits", "cgroup", "mountinfo", "status", "stack.json",
};

static bool parse_part(const char *name, struct api_path *path)
{
	if (strcmp(name, "core") == 0) {
		path->what = API_CORE;
	} else if (strcmp(name, "core.zst") == 0) {
		path->what = API_STORED;
	} else if (strcmp(name, "log") == 0) {
		path->what = API_LOG;
	} else {
		path->what = API_FILE;
		for (size_t i = 0; i < sizeof(files) / sizeof(*files) && !path->file; i++)
			if (strcmp(name, files[i]) == 0)
				path->file = files[i];
		return path->file != NULL;
	}
	return true;
}

/* False: there is nothing of that name. */
bool api_parse_path(const char *path, struct api_path *ret_path)
{
	struct api_path parsed = { .what = API_LIST };

	if (strncmp(path, "/cores", 6) != 0)
		return false;
	path += 6;
	if (*path == '/' && path[1] != '\0') {
		size_t len = strcspn(++path, "/");

		if (len >= sizeof(parsed.id))
			return false;
		memcpy(parsed.id, path, len);
		path += len;
		if (!crash_id_is_valid(parsed.id))
			return false;
		parsed.what = API_RECORD;
		if (*path == '/' && !parse_part(path + 1, &parsed))
			return false;
	} else if (*path != '\0') {
		return false;
	}
	*ret_path = parsed;
	return true;
}
