// SPDX-License-Identifier: MIT
/*
 * What files of the host tell of a container of Kubernetes: the bundle that its engine started it
 * from, and the names of the log files that the kubelet makes.
 *
 * Only what is root's and nobody else can write is looked at.  A bundle's content is whatever the
 * pod's author wanted: it is opened here, and read by coreferry-names.
 */
#include "pod-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define LOGS_MAX	 65536U /* files that are looked at: some 100 pods have some 1,000 */
#define LOG_NAME_MAX	 253	/* of a pod, as of a DNS name. See: Kubernetes, Object Names */
#define LOG_NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789.-"

static bool is_roots(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == 0 &&
	       (st.st_mode & 022) == 0;
}

/* config.json of the bundle that containerd or CRI-O started it from: a descriptor, or -errno. */
int pod_files_open_bundle(const char *id)
{
	static const struct {
		const char *directory, *file;
	} places[] = {
		{ "/run/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json" },
		{ "/run/containers/storage/overlay-containers", "userdata/config.json" },
		{ "/var/lib/containers/storage/overlay-containers", "userdata/config.json" },
	};
	char path[192];

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", places[i].directory, id, places[i].file);
		cleanup_fd int fd =
			open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

		if (fd >= 0 && is_roots(fd, S_IFREG))
			return fd_steal(&fd);
	}
	return -ENOENT;
}

/* Cuts a name off in front of `end`. */
static bool take_name(const char **at, char end, char name[LOG_NAME_MAX + 1])
{
	size_t len = strspn(*at, LOG_NAME_LETTERS);

	if (len == 0 || len > LOG_NAME_MAX || (*at)[len] != end)
		return false;
	memcpy(name, *at, len);
	name[len] = '\0';
	*at += len + 1;
	return true;
}

/*
 * Reads "POD_NAMESPACE_CONTAINER-ID.log".  0, and *ret_facts is to be released; -EINVAL: another
 * container's, or not such a name; -ENOMEM.
 */
int pod_files_parse_log(const char *file_name, const char *id, struct container_facts *ret_facts)
{
	char pod[LOG_NAME_MAX + 1], namespace[LOG_NAME_MAX + 1], name[LOG_NAME_MAX + 1];
	char end[80];
	size_t len = strlen(file_name);
	int end_len = snprintf(end, sizeof(end), "-%s.log", id);

	if (len <= (size_t)end_len || strcmp(file_name + len - (size_t)end_len, end) != 0)
		return -EINVAL;
	cleanup_free char *copy = strndup(file_name, len - (size_t)end_len);
	const char *at = copy;
	if (!copy)
		return -ENOMEM;
	if (!take_name(&at, '_', pod) || !take_name(&at, '_', namespace) ||
	    !take_name(&at, '\0', name))
		return -EINVAL;

	struct container_facts facts = { .name = NULL };
	if (container_facts_set(&facts.pod, pod) < 0 ||
	    container_facts_set(&facts.pod_namespace, namespace) < 0 ||
	    container_facts_set(&facts.name, name) < 0) {
		container_facts_release(&facts);
		return -ENOMEM;
	}
	*ret_facts = facts;
	return 0;
}

/* Looks for the container's log among the kubelet's links.  As pod_files_parse_log(); -ENOENT. */
int pod_files_find_log(const char *directory, const char *id, struct container_facts *ret_facts)
{
	cleanup_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const struct dirent *entry;
	int r = -EINVAL;

	if (fd < 0 || !is_roots(fd, S_IFDIR))
		return -ENOENT;
	DIR *dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)fd_steal(&fd);
	for (unsigned i = 0; i < LOGS_MAX && r == -EINVAL && (entry = readdir(dir)); i++)
		r = pod_files_parse_log(entry->d_name, id, ret_facts);
	closedir(dir);
	return r == -EINVAL ? -ENOENT : r;
}
