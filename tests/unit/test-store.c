// SPDX-License-Identifier: MIT
/* common/store.c: a crash is invisible until it is published; nothing is followed; names are ids.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_publish, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_order, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_names, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_links, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_unsafe_store, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
