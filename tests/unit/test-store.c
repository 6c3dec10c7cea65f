// SPDX-License-Identifier: MIT
/* common/store.c: a crash is invisible until it is published; nothing is followed; names are ids;
 * nothing is removed while somebody works on it or reads it. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core-reader.h"
#include "fd.h"
#include "test.h"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test-store.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void begin(const struct store *store, struct crash *crash, uint64_t time_us, int *ret_dirfd)
{
	crash_init(crash);
	crash->time_us = time_us;
	assert_int_equal(crash_id_format(time_us, 1, 1, crash->id), 0);
	assert_int_equal(store_begin(store, crash->id, ret_dirfd), 0);
	assert_int_equal(store_write_record(store, *ret_dirfd, crash), 0);
}

static void test_publish(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	cleanup_crash struct crash crash, read_back;
	cleanup_fd int dirfd = -1;
	cleanup_fd int published = -1;
	char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 99;
	struct stat st;
	mode_t mask = umask(077);

	(void)state;
	crash_init(&read_back);
	assert_int_equal(store_open(dir, true, &store), 0);
	umask(mask);
	begin(&store, &crash, 1795228673123456ULL, &dirfd);

	assert_int_equal(store_list(&store, &ids, &count), 0);
	assert_int_equal(count, 0);
	assert_null(ids);
	assert_int_equal(store_open_crash(&store, crash.id, &published), -ENOENT);
	assert_int_equal(store_list_partial(&store, &ids, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(ids[0], crash.id);
	free(ids);

	assert_int_equal(store_publish(&store, crash.id), 0);
	assert_int_equal(store_publish(&store, crash.id), -ENOENT);
	assert_int_equal(store_list(&store, &ids, &count), 0);
	assert_int_equal(count, 1);
	free(ids);
	assert_int_equal(store_open_crash(&store, crash.id, &published), 0);
	assert_int_equal(store_read_record(published, &read_back), 0);
	assert_string_equal(read_back.id, crash.id);

	assert_int_equal(fstat(store.crashes_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstat(dirfd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(dirfd, CRASH_JSON_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void test_order(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	for (uint64_t i = 0; i < 100; i++) {
		cleanup_crash struct crash crash;
		cleanup_fd int dirfd = -1;

		begin(&store, &crash, 1795228673000000ULL + (i * 37 % 100) * 999999, &dirfd);
		assert_int_equal(store_publish(&store, crash.id), 0);
	}
	assert_int_equal(mkdirat(store.crashes_fd, "lost+found", 0700), 0);
	assert_int_equal(store_list(&store, &ids, &count), 0);
	assert_int_equal(count, 100);
	for (size_t i = 1; i < count; i++)
		assert_true(strcmp(ids[i - 1], ids[i]) > 0);
	free(ids);
}

static void test_names(void **state)
{
	static const char *const rows[] = { "", ".", "..", "../..", "/etc", "lost+found" };
	cleanup_store struct store store = { .crashes_fd = -1 };
	int fd = -1;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(store_open_crash(&store, rows[i], &fd), -EINVAL);
		assert_int_equal(store_open_partial(&store, rows[i], &fd), -EINVAL);
	}
	assert_int_equal(fd, -1);
}

/* A link where a crash, its record or the store's folder should be is not followed. */
static void test_links(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	char id[CRASH_ID_SIZE], path[128];
	int fd = -1;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	assert_int_equal(crash_id_format(1795228673123456ULL, 1, 1, id), 0);
	assert_int_equal(symlinkat("/", store.crashes_fd, id), 0);
	assert_int_equal(store_open_crash(&store, id, &fd), -ENOTDIR);
	store_close(&store);

	snprintf(path, sizeof(path), "%s/crashes", dir);
	assert_int_equal(rename(path, dir), -1);
	char moved[160];
	snprintf(moved, sizeof(moved), "%s.moved", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink("crashes.moved", path), 0);
	assert_int_equal(store_open(dir, true, &store), -ENOTDIR);
}

static void test_unsafe_store(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	char path[128];

	(void)state;
	assert_int_equal(store_open(dir, false, &store), -ENOENT);
	assert_int_equal(store_open(dir, true, &store), 0);
	store_close(&store);
	snprintf(path, sizeof(path), "%s/crashes", dir);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(store_open(dir, true, &store), -EPERM);
	assert_int_equal(store_open(dir, false, &store), 0); /* a reader does not mind */
}

static void test_unsafe_directory(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	char path[128];

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(store_open(dir, true, &store), -EPERM);
	snprintf(path, sizeof(path), "%s/crashes", dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(chmod(dir, 0711), 0); /* one that cannot be listed will do */
	assert_int_equal(store_open(dir, true, &store), 0);
	assert_int_equal(fcntl(store.dir_fd, F_GETFD), FD_CLOEXEC);
	cleanup_fd int fd = openat(store.dir_fd, "crashes", O_PATH | O_CLOEXEC);
	assert_true(fd >= 0);
	store_close(&store);
	assert_int_equal(store.dir_fd, -1);
	store_close(&store);
}

/* A descriptor that is not ours is never closed in the place of DIR's. */
static void test_closing_what_is_closed(void **state)
{
	struct store store = { .crashes_fd = -1 };

	(void)state;
	store_close(&store);
	assert_true(fcntl(0, F_GETFD) >= 0);
}

/* --- locks --- */

/* A child that does not outlive a test that fails. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	assert_true(pid >= 0);
	return pid;
}

#define TIME_US 1795228673123456ULL

static int take_exclusive(const struct store *store, const char *id, enum store_state state)
{
	cleanup_fd int fd = -1;

	return store_open_exclusive(store, id, state, &fd);
}

/* The builder's lock lasts as long as a descriptor of it, in whichever process. */
static void test_the_builder_has_the_lock(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	cleanup_crash struct crash crash;
	int dirfd = -1, pipe_fds[2], status;
	char byte;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	begin(&store, &crash, TIME_US, &dirfd);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PARTIAL), -EBUSY);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid_t pid = fork_child();
	if (pid == 0) {
		close(pipe_fds[1]);
		(void)!read(pipe_fds[0], &byte, 1);
		_exit(0);
	}
	fd_close(&dirfd);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PARTIAL), -EBUSY);
	assert_int_equal(store_publish(&store, crash.id), 0);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PUBLISHED), -EBUSY);
	close(pipe_fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pipe_fds[0]);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PARTIAL), -ENOENT);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PUBLISHED), 0);
	assert_int_equal(take_exclusive(&store, "..", STORE_PUBLISHED), -EINVAL);
}

static void test_readers_have_the_lock(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	cleanup_core_reader struct core_reader *reader = NULL;
	cleanup_crash struct crash crash;
	int dirfd = -1, first = -1, second = -1, exclusive = -1;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	begin(&store, &crash, TIME_US, &dirfd);
	assert_int_equal(file_create_at(dirfd, CRASH_CORE_RAW_NAME, "core", 4, 0640), 0);
	assert_int_equal(store_publish(&store, crash.id), 0);
	fd_close(&dirfd);

	assert_int_equal(store_open_crash(&store, crash.id, &first), 0);
	assert_int_equal(store_open_crash(&store, crash.id, &second), 0);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PUBLISHED), -EBUSY);
	fd_close(&first);
	/* A core that is being read is enough: the directory's descriptor may be closed. */
	assert_int_equal(core_reader_open_at(second, CRASH_CORE_RAW_NAME, &reader), 0);
	fd_close(&second);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PUBLISHED), -EBUSY);
	core_reader_free(&reader);

	assert_int_equal(store_open_exclusive(&store, crash.id, STORE_PUBLISHED, &exclusive), 0);
	assert_int_equal(store_open_crash(&store, crash.id, &first), -ENOENT);
	assert_int_equal(first, -1);
	assert_int_equal(store_begin_remove(&store, crash.id), 0);
	fd_close(&exclusive);
	assert_int_equal(store_open_crash(&store, crash.id, &first), -ENOENT);
	assert_int_equal(store_end_remove(&store, crash.id), -ENOTEMPTY);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_REMOVED), 0);
}

/* coreferryd's rights are enough: an O_RDONLY descriptor, by the store's group. */
static void test_an_unprivileged_reader_has_the_lock(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	cleanup_crash struct crash crash;
	int dirfd = -1, ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchown(store.crashes_fd, (uid_t)-1, 61190), 0);
		store.gid = 61190;
		assert_int_equal(chmod(dir, 0711), 0);
	}
	begin(&store, &crash, TIME_US, &dirfd);
	assert_int_equal(store_publish(&store, crash.id), 0);
	fd_close(&dirfd);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork_child();
	if (pid == 0) {
		cleanup_store struct store theirs = { .crashes_fd = -1 };
		int fd;

		if (geteuid() == 0 &&
		    (setgroups(0, NULL) < 0 || setgid(61190) < 0 || setuid(61190) < 0))
			_exit(1);
		if (store_open(dir, false, &theirs) < 0 ||
		    store_open_crash(&theirs, crash.id, &fd) < 0 || write(ready[1], "", 1) != 1)
			_exit(2);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PUBLISHED), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	assert_int_equal(take_exclusive(&store, crash.id, STORE_PUBLISHED), 0);
}

/* Takes every capture that nobody seems to work on, as fast as it can. */
static void take_partials(const struct store *store)
{
	for (;;) {
		cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
		size_t count = 0;

		if (store_list_partial(store, &ids, &count) < 0)
			_exit(1);
		for (size_t i = 0; i < count; i++) {
			cleanup_fd int fd = -1;

			if (store_open_exclusive(store, ids[i], STORE_PARTIAL, &fd) == 0 &&
			    store_publish(store, ids[i]) < 0)
				_exit(1);
		}
	}
}

/* Who begins a crash has it, whatever another one takes for left over at that moment. */
static void test_begin_while_others_clean_up(void **state)
{
	cleanup_store struct store store = { .crashes_fd = -1 };
	int status;

	(void)state;
	assert_int_equal(store_open(dir, true, &store), 0);
	pid_t pid = fork_child();
	if (pid == 0)
		take_partials(&store);
	for (uint64_t i = 0; i < 5000; i++) {
		cleanup_fd int dirfd = -1;
		char id[CRASH_ID_SIZE];

		assert_int_equal(crash_id_format(TIME_US + i, 1, 1, id), 0);
		int r = store_begin(&store, id, &dirfd);
		if (r == -EEXIST)
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(file_create_at(dirfd, "mine", "", 0, 0600), 0);
		assert_int_equal(store_publish(&store, id), 0);
		assert_int_equal(unlinkat(dirfd, "mine", 0), 0);
		assert_int_equal(unlinkat(store.crashes_fd, id, AT_REMOVEDIR), 0);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_publish, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_order, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_names, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_links, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_unsafe_store, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_unsafe_directory, make_dir, remove_dir),
		cmocka_unit_test(test_closing_what_is_closed),
		cmocka_unit_test_setup_teardown(test_the_builder_has_the_lock, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_readers_have_the_lock, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_an_unprivileged_reader_has_the_lock, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_begin_while_others_clean_up, make_dir,
						remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
