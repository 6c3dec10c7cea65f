// SPDX-License-Identifier: MIT
/*
 * STORE/deliveries: what is needed to go on with deliveries whose helpers were killed.
 *
 * The directory and its files are root's alone, or they are not used; only `resume` in there is the
 * container's.
 */
#include "delivery-state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define DIRECTORY "deliveries"

static bool is_ours(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

/* A descriptor or -errno; -ENOENT: nothing was ever there, and create is false. */
static int open_directory(int storefd, bool create)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	cleanup_fd int fd = openat(storefd, DIRECTORY, flags);

	if (fd < 0 && errno == ENOENT && create) {
		if (mkdirat(storefd, DIRECTORY, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(storefd, DIRECTORY, flags);
	}
	if (fd < 0)
		return -errno;
	return is_ours(fd, S_IFDIR) ? fd_steal(&fd) : -EPERM;
}

/*
 * Writes it.  It appears whole, and with its lock held: until *ret_fd is closed it is ours.
 * 0 or -errno.
 */
int delivery_state_create(int storefd, const struct delivery_state *state, int *ret_fd)
{
	cleanup_fd int dir = open_directory(storefd, true);

	if (dir < 0)
		return dir;
	cleanup_fd int fd = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	int r = fd_write_all(fd, state, sizeof(*state));
	if (r < 0)
		return r;
	if (linkat(fd, "", dir, state->id, AT_EMPTY_PATH) < 0)
		return -errno;
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* Replaces what the next attempt is told; at most PUSH_REPORT_RESUME_MAX bytes. */
void delivery_state_set_resume(int fd, const char *resume)
{
	char text[PUSH_REPORT_RESUME_MAX + 1] = "";

	snprintf(text, sizeof(text), "%s", resume);
	(void)!pwrite(fd, text, sizeof(text), offsetof(struct delivery_state, resume));
}

/* Removes it: the delivery is final. */
void delivery_state_remove(int storefd, const char *id)
{
	cleanup_fd int dir = open_directory(storefd, false);

	if (dir >= 0 && crash_id_is_valid(id))
		(void)unlinkat(dir, id, 0);
}

/* The ids of all deliveries that are not final (free the array).  0 or -errno. */
int delivery_state_list(int storefd, char (**ret_ids)[CRASH_ID_SIZE], size_t *ret_count)
{
	char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0, room = 0;
	const struct dirent *entry;
	int fd = open_directory(storefd, false);

	*ret_ids = NULL;
	*ret_count = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (!crash_id_is_valid(entry->d_name))
			continue;
		if (count == room) {
			void *more = realloc(ids, (room = room * 2 + 16) * sizeof(*ids));

			if (!more)
				break;
			ids = more;
		}
		snprintf(ids[count++], CRASH_ID_SIZE, "%.*s", CRASH_ID_SIZE - 1, entry->d_name);
	}
	closedir(dir);
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}

static bool is_good(const struct delivery_state *state, const char *id)
{
	return state->magic == DELIVERY_STATE_MAGIC && state->size == sizeof(*state) &&
	       state->plan.magic == ENTER_PLAN_MAGIC &&
	       state->plan.group_count <= ENTER_GROUPS_MAX &&
	       memchr(state->plan.label, 0, sizeof(state->plan.label)) &&
	       strncmp(state->id, id, sizeof(state->id)) == 0 &&
	       memchr(state->resume, 0, sizeof(state->resume)) &&
	       (!state->resume[0] || push_report_is_resume(state->resume));
}

/*
 * Takes over a delivery that nobody is at: until *ret_fd is closed it is ours.  Its plan has no
 * descriptors.  0; -EBUSY: somebody is; -EINVAL: it is ours, but what stands there is of another
 * version, or damaged; -errno.
 */
int delivery_state_take(int storefd, const char *id, struct delivery_state *ret_state, int *ret_fd)
{
	cleanup_fd int dir = open_directory(storefd, false);
	struct stat st;

	if (dir < 0)
		return dir;
	cleanup_fd int fd = openat(dir, id, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_ours(fd, S_IFREG))
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* It may have become final just now. */
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return -ENOENT;
	bool good =
		fd_pread_all(fd, ret_state, sizeof(*ret_state), 0) == 0 && is_good(ret_state, id);
	*ret_fd = fd_steal(&fd);
	if (!good)
		return -EINVAL;
	struct enter_plan none;
	enter_plan_init(&none);
	memcpy(ret_state->plan.ns_fd, none.ns_fd, sizeof(none.ns_fd));
	memcpy(ret_state->plan.cgroup_fd, none.cgroup_fd, sizeof(none.cgroup_fd));
	ret_state->plan.root_fd = ret_state->plan.cwd_fd = -1;
	ret_state->plan.cgroup_count = 0;
	return 0;
}
