// SPDX-License-Identifier: MIT
/* host-helper/helper/delivery-state.c: one at a time goes on with a delivery, by what root wrote.
 */
#include "../../host-helper/helper/delivery-state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static char directory[] = "/tmp/cf-test.XXXXXX";
static int store = -1;
static struct delivery_state state, back;

static int make_store(void **unused)
{
	(void)unused;
	if (!mkdtemp(directory))
		return -1;
	store = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return store < 0 ? -1 : 0;
}

static int remove_store(void **unused)
{
	(void)unused;
	delivery_state_remove(store, ID);
	(void)unlinkat(store, "deliveries", AT_REMOVEDIR);
	close(store);
	return rmdir(directory);
}

static int create(void)
{
	int fd = -1;

	memset(&state, 0, sizeof(state));
	state.magic = DELIVERY_STATE_MAGIC;
	state.size = sizeof(state);
	strcpy(state.id, ID);
	state.first_us = 77;
	state.anchor.pid = 4711;
	enter_plan_init(&state.plan);
	state.plan.uid = 1234;
	state.plan.ns_fd[ENTER_NS_NET] = 3;
	state.plan.root_fd = 4;
	state.plan.cgroup_count = 1;
	state.plan.cgroup_fd[0] = 5;
	/* A file system without O_TMPFILE. */
	if (delivery_state_create(store, &state, &fd) == -EOPNOTSUPP)
		skip();
	assert_true(fd >= 0);
	return fd;
}

static void test_taken_over(void **unused)
{
	char(*ids)[CRASH_ID_SIZE];
	size_t count;
	int other = -1;

	(void)unused;
	assert_int_equal(delivery_state_list(store, &ids, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(delivery_state_take(store, ID, &back, &other), -ENOENT);

	int fd = create();
	assert_int_equal(delivery_state_list(store, &ids, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(ids[0], ID);
	free(ids);
	assert_int_equal(delivery_state_take(store, ID, &back, &other), -EBUSY);
	delivery_state_set_resume(fd, "http://a/files/1");
	close(fd);

	assert_int_equal(delivery_state_take(store, ID, &back, &other), 0);
	assert_string_equal(back.resume, "http://a/files/1");
	assert_int_equal(back.first_us, 77);
	assert_int_equal(back.anchor.pid, 4711);
	assert_int_equal(back.plan.uid, 1234);
	/* Numbers of descriptors of another process are none of ours. */
	assert_int_equal(back.plan.ns_fd[ENTER_NS_NET], -1);
	assert_int_equal(back.plan.root_fd, -1);
	assert_int_equal(back.plan.cgroup_count, 0);
	assert_int_equal(back.plan.cgroup_fd[0], -1);
	close(other);
	delivery_state_remove(store, ID);
	assert_int_equal(delivery_state_take(store, ID, &back, &other), -ENOENT);
}

/* What is damaged is ours all the same: it is to be told of and removed. */
static void test_damaged(void **unused)
{
	static const struct {
		off_t offset;
		const char *bytes;
		size_t len;
	} rows[] = {
		{ 0, "x", 1 },
		{ offsetof(struct delivery_state, size), "x", 1 },
		{ offsetof(struct delivery_state, id), "x", 1 },
		{ offsetof(struct delivery_state, plan.magic), "x", 1 },
		{ offsetof(struct delivery_state, plan.group_count), "\xff\xff", 2 },
		{ offsetof(struct delivery_state, resume), "a b", 4 },
		{ offsetof(struct delivery_state, resume), "a\nb", 4 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = create(), other = -1;

		assert_int_equal(pwrite(fd, rows[i].bytes, rows[i].len, rows[i].offset),
				 rows[i].len);
		close(fd);
		assert_int_equal(delivery_state_take(store, ID, &back, &other), -EINVAL);
		assert_true(other >= 0);
		close(other);
		delivery_state_remove(store, ID);
	}
	int fd = create(), other = -1;
	assert_int_equal(ftruncate(fd, sizeof(state) - 1), 0);
	close(fd);
	assert_int_equal(delivery_state_take(store, ID, &back, &other), -EINVAL);
	close(other);
	delivery_state_remove(store, ID);
}

/* What others can read or write is not ours. */
static void test_not_ours(void **unused)
{
	int fd = create(), other = -1;

	(void)unused;
	assert_int_equal(fchmod(fd, 0660), 0);
	close(fd);
	assert_int_equal(delivery_state_take(store, ID, &back, &other), -EPERM);
	assert_int_equal(fchmodat(store, "deliveries", 0770, 0), 0);
	assert_int_equal(delivery_state_take(store, ID, &back, &other), -EPERM);
	assert_int_equal(delivery_state_create(store, &state, &other), -EPERM);
	assert_int_equal(fchmodat(store, "deliveries", 0700, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_not_ours),
	};

	return cmocka_run_group_tests(tests, make_store, remove_store);
}
