// SPDX-License-Identifier: MIT
/*
 * common/container.c: /proc/PID/cgroup, whose inner parts a container may have named.
 *
 * A runtime is one that we know; an id is 64 hexadecimal digits, a name is one part of a path, and
 * both stand in the text.  Where there is neither, there is no runtime.
 */
#include "container.h"

#include "fuzz.h"

static bool is_known(const char *runtime)
{
	static const char *const known[] = { "docker", "podman", "containerd", "crio",
					     "lxc",    "nspawn", "kubernetes", "oci" };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(runtime, known[i]) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_string(data, size);
	struct container c;

	memset(&c, 0x55, sizeof(c));
	container_from_cgroup(text, &c);
	if (c.runtime[0] == '\0') {
		assert(c.id[0] == '\0' && c.name[0] == '\0');
		return 0;
	}
	assert(is_known(c.runtime));
	assert((c.id[0] == '\0') != (c.name[0] == '\0'));
	if (c.id[0])
		assert(strlen(c.id) == 64 && strspn(c.id, "0123456789abcdef") == 64);
	assert(strnlen(c.name, sizeof(c.name)) <= CONTAINER_NAME_MAX);
	assert(!strpbrk(c.name, "/\n"));
	assert(strstr(text, c.id) && strstr(text, c.parent) && strstr(text, c.hierarchy));
	/* systemd's escapes are taken out. */
	assert(strcmp(c.runtime, "nspawn") == 0 || strstr(text, c.name));
	assert(strspn(c.pod_uid, "0123456789abcdef-") == strnlen(c.pod_uid, sizeof(c.pod_uid)));
	return 0;
}
