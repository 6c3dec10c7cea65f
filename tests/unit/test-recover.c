// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/recover.c: what a killed helper left becomes a crash that is called what it
 * is, wherever the helper was, and wherever the recovery was killed; what is in use is left alone.
 */
#include "../../host-helper/helper/recover.h"

#include <sys/file.h>

#include "clock.h"
#include "core-reader.h"
#include "house.h"

#define STOPPED "coreferry-helper was stopped before"

static unsigned recover_all(recover_mend_fn mend)
{
	struct recover recover = { .mend = mend };

	assert_int_equal(recover_partials(&house_store, &recover), 0);
	assert_int_equal(recover.failed, 0);
	return recover.recovered;
}

static void read_published(unsigned n, int *ret_dirfd, struct crash *ret_crash)
{
	char id[CRASH_ID_SIZE];

	house_id(n, id);
	assert_int_equal(store_open_crash(&house_store, id, ret_dirfd), 0);
	assert_int_equal(store_read_record(*ret_dirfd, ret_crash), 0);
	assert_string_equal(ret_crash->id, id);
}

static mode_t mode_of(int dirfd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, name, &st, 0), 0);
	return st.st_mode & 07777;
}

/* One way in which a helper may have ended, and what is to become of it. */
struct row {
	const char *name;
	bool no_record, damaged_record, root_only;
	enum crash_outcome recorded;
	const char *recorded_core; /* the capture had ended, says the record */
	size_t recorded_size;
	bool raw, unfinished;
	size_t raw_bytes;
	unsigned zst_frames; /* 0: no such file */
	off_t zst_missing;   /* of its end */

	enum crash_outcome outcome;
	const char *core, *reason;
	uint64_t size;
};

#define MIB (1U << 20)
/* A frame of one letter takes some dozens of bytes, the table of 3 frames 41, of one 25. */
#define NO_TABLE   40
#define CUT_FRAME  61
#define CUT_SINGLE 45

static const struct row rows[] = {
	{ "nothing but the directory's first record", .recorded = CRASH_TRUNCATED,
	  .outcome = CRASH_FAILED, .reason = STOPPED },
	{ "a record without a file", .no_record = true, .unfinished = true, .outcome = CRASH_FAILED,
	  .reason = "its record is lost" },
	{ "an empty record", .damaged_record = true, .raw = true, .raw_bytes = 5000,
	  .outcome = CRASH_TRUNCATED, .core = "core", .size = 5000,
	  .reason = "its record is lost" },
	{ "a spool", .recorded = CRASH_TRUNCATED, .raw = true, .raw_bytes = 9000,
	  .outcome = CRASH_TRUNCATED, .core = "core", .size = 9000, .reason = STOPPED },
	{ "a spool of a set-uid program", .recorded = CRASH_TRUNCATED, .root_only = true,
	  .raw = true, .raw_bytes = 9000, .outcome = CRASH_TRUNCATED, .core = "core", .size = 9000,
	  .reason = STOPPED },
	{ "an empty spool", .recorded = CRASH_TRUNCATED, .raw = true, .outcome = CRASH_FAILED,
	  .reason = STOPPED },
	{ "a spool, and the beginning of its compressed form", .recorded = CRASH_TRUNCATED,
	  .raw = true, .raw_bytes = 9000, .zst_frames = 3, .zst_missing = NO_TABLE,
	  .unfinished = true, .outcome = CRASH_TRUNCATED, .core = "core", .size = 9000,
	  .reason = STOPPED },
	{ "frames without a table", .recorded = CRASH_TRUNCATED, .zst_frames = 3,
	  .zst_missing = NO_TABLE, .outcome = CRASH_TRUNCATED, .core = "core.zst", .size = 3 * MIB,
	  .reason = STOPPED },
	{ "a frame that ends in the middle", .recorded = CRASH_TRUNCATED, .zst_frames = 3,
	  .zst_missing = CUT_FRAME, .outcome = CRASH_TRUNCATED, .core = "core.zst", .size = 2 * MIB,
	  .reason = STOPPED },
	{ "frames with their table", .recorded = CRASH_TRUNCATED, .zst_frames = 3,
	  .outcome = CRASH_TRUNCATED, .core = "core.zst", .size = 3 * MIB, .reason = STOPPED },
	{ "not one whole frame", .recorded = CRASH_TRUNCATED, .zst_frames = 1,
	  .zst_missing = CUT_SINGLE, .outcome = CRASH_FAILED,
	  .reason = "nothing of it can be used" },
	{ "both, and the record names the compressed one", .recorded = CRASH_TRUNCATED,
	  .recorded_core = "core.zst", .recorded_size = 3 * MIB, .raw = true, .raw_bytes = 9000,
	  .zst_frames = 3, .outcome = CRASH_TRUNCATED, .core = "core.zst", .size = 3 * MIB,
	  .reason = "max_block" },
	{ "a capture that had ended as a part", .recorded = CRASH_TRUNCATED,
	  .recorded_core = "core", .recorded_size = 9000, .raw = true, .raw_bytes = 9000,
	  .outcome = CRASH_TRUNCATED, .core = "core", .size = 9000, .reason = "max_block" },
	{ "a capture that had ended whole", .recorded = CRASH_STORED, .recorded_core = "core",
	  .recorded_size = 9000, .raw = true, .raw_bytes = 9000, .outcome = CRASH_STORED,
	  .core = "core", .size = 9000 },
	{ "a whole capture whose file lost its end", .recorded = CRASH_STORED,
	  .recorded_core = "core", .recorded_size = 9001, .raw = true, .raw_bytes = 9000,
	  .outcome = CRASH_TRUNCATED, .core = "core", .size = 9000, .reason = STOPPED },
	{ "a whole capture whose file is gone", .recorded = CRASH_STORED, .recorded_core = "core",
	  .recorded_size = 9000, .outcome = CRASH_FAILED, .reason = STOPPED },
	{ "refused", .recorded = CRASH_REFUSED, .outcome = CRASH_REFUSED, .reason = "max_block" },
	{ "failed", .recorded = CRASH_FAILED, .outcome = CRASH_FAILED, .reason = "max_block" },
};

static void set_boot_id(struct crash *crash)
{
	cleanup_free char *text = NULL;
	size_t len;

	assert_int_equal(file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &len),
			 0);
	text[strcspn(text, "\n")] = '\0';
	crash_set_string(&crash->boot_id, text);
}

static void leave(unsigned n, const struct row *row)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	house_begin_record(n, &crash);
	crash.outcome = row->recorded;
	crash.root_only = row->root_only;
	crash.core_size = crash.stored_size = row->recorded_size;
	memset(crash.core_sha256, 'a', 64);
	crash_set_string(&crash.core_file, row->recorded_core);
	crash_set_string(&crash.reason, row->recorded == CRASH_STORED ? NULL : "max_block");
	set_boot_id(&crash);
	assert_int_equal(store_begin(&house_store, crash.id, &dirfd), 0);
	if (row->damaged_record)
		assert_int_equal(file_create_at(dirfd, CRASH_JSON_NAME, "", 0, 0600), 0);
	else if (!row->no_record)
		assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	if (row->raw)
		house_file(dirfd, "core", row->raw_bytes);
	if (row->zst_frames > 0)
		house_zst(dirfd, "core.zst", row->zst_frames, row->zst_missing);
	if (row->unfinished) {
		house_file(dirfd, ".core.zst.new", 7);
		house_file(dirfd, ".crash.json.new", 7);
	}
}

static void check(unsigned n, const struct row *row)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	read_published(n, &dirfd, &crash);
	assert_int_equal(crash.outcome, row->outcome);
	if (row->reason)
		assert_non_null(strstr(crash.reason, row->reason));
	assert_string_equal(crash.core_sha256, "");
	assert_int_equal(crash.core_size, row->size);
	assert_int_equal(crash.pid, n + 1);
	assert_int_equal(crash.time_us, HOUSE_TIME_US + n);
	assert_true(crash.published_us > 0);
	assert_int_equal(crash.root_only, row->root_only || row->no_record || row->damaged_record);
	assert_false(house_has(dirfd, ".core.zst.new"));
	assert_false(house_has(dirfd, ".crash.json.new"));
	assert_int_equal(mode_of(dirfd, CRASH_JSON_NAME), 0640);
	assert_int_equal(mode_of(dirfd, "."), 0750);
	const char *names[] = { "core", "core.zst" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(house_has(dirfd, names[i]),
				 row->core && strcmp(row->core, names[i]) == 0);
	if (!row->core) {
		assert_null(crash.core_file);
		return;
	}
	assert_string_equal(crash.core_file, row->core);
	assert_int_equal(mode_of(dirfd, row->core), crash.root_only ? 0600 : 0640);
	assert_int_equal(core_reader_open_at(dirfd, row->core, &reader), 0);
	assert_int_equal(core_reader_size(reader), row->size);
	assert_int_equal(crash.captured_bytes + crash.holes_bytes, row->size);
}

static void test_whatever_was_left(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("%s\n", rows[i].name);
		leave(i, &rows[i]);
		assert_int_equal(recover_all(house_mend), 1);
		check(i, &rows[i]);
	}
	assert_int_equal(recover_all(house_mend), 0);
}

static void test_another_boot_is_no_whole_core(void **state)
{
	static const struct row stored = { .recorded = CRASH_STORED,
					   .recorded_core = "core",
					   .recorded_size = 5000,
					   .raw = true,
					   .raw_bytes = 5000 };
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	(void)state;
	leave(0, &stored);
	char id[CRASH_ID_SIZE];
	house_id(0, id);
	assert_int_equal(store_open_partial(&house_store, id, &dirfd), 0);
	assert_int_equal(store_read_record(dirfd, &crash), 0);
	crash_set_string(&crash.boot_id, "6a3d2c1e-0000-4000-8000-000000000000");
	assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	crash_release(&crash);
	fd_close(&dirfd);
	assert_int_equal(recover_all(house_mend), 1);
	read_published(0, &dirfd, &crash);
	assert_int_equal(crash.outcome, CRASH_TRUNCATED);
	assert_non_null(strstr(crash.reason, "safely on the disk"));
	assert_string_equal(crash.core_file, "core");
}

/* A helper that lives, or its child: it has the lock. */
static void test_a_living_helper_is_left_alone(void **state)
{
	struct recover recover = { .mend = house_mend };
	cleanup_crash struct crash crash;
	int dirfd = -1;

	(void)state;
	house_begin_record(0, &crash);
	assert_int_equal(store_begin(&house_store, crash.id, &dirfd), 0);
	assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	pid_t pid = house_fork();
	if (pid == 0)
		for (;;)
			pause();
	fd_close(&dirfd);
	assert_int_equal(recover_partials(&house_store, &recover), 0);
	assert_int_equal(recover.recovered, 0);
	assert_int_equal(recover.busy, 1);
	assert_int_equal(store_open_partial(&house_store, crash.id, &dirfd), 0);
	fd_close(&dirfd);
	house_kill(pid);
	assert_int_equal(recover_all(house_mend), 1);
}

/* A maker that has its directory, and not yet its lock, is waited for; what has neither is left
 * over. */
static void test_an_empty_directory(void **state)
{
	const struct timespec pause_time = { .tv_nsec = 200000000 };
	cleanup_crash struct crash crash;
	char id[CRASH_ID_SIZE], name[CRASH_ID_SIZE + sizeof("..partial")];
	int dirfd = -1;

	(void)state;
	crash_init(&crash);
	house_id(0, id);
	snprintf(name, sizeof(name), ".%s.partial", id);
	uint64_t start_us = clock_monotonic_us();
	pid_t pid = house_fork();
	if (pid == 0) {
		cleanup_fd int lock =
			openat(house_store.dir_fd, "begin.lock", O_RDONLY | O_CREAT, 0600);

		if (flock(lock, LOCK_SH) < 0 || mkdirat(house_store.crashes_fd, name, 0700) < 0)
			_exit(1);
		nanosleep(&pause_time, NULL);
		fd_close(&lock);
		for (;;)
			pause();
	}
	while (faccessat(house_store.crashes_fd, name, F_OK, 0) < 0)
		;
	assert_int_equal(recover_all(house_mend), 1);
	assert_true(clock_monotonic_us() - start_us >= 200000);
	house_kill(pid);
	read_published(0, &dirfd, &crash);
	assert_int_equal(crash.outcome, CRASH_FAILED);
	fd_close(&dirfd);
}

static int mend_calls;

static int mend_later(int dirfd, int fd, uint64_t *ret_raw_size)
{
	(void)dirfd, (void)fd, (void)ret_raw_size;
	mend_calls++;
	return -ENOMEM;
}

/* One that fails is left for another process, tried once, and does not stand in the way. */
static void test_a_failure_is_not_the_others(void **state)
{
	static const struct row frames = { .recorded = CRASH_TRUNCATED,
					   .zst_frames = 3,
					   .zst_missing = NO_TABLE };
	static const struct row spool = { .recorded = CRASH_TRUNCATED,
					  .raw = true,
					  .raw_bytes = 1 };
	struct recover recover = { .mend = mend_later };
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	(void)state;
	crash_init(&crash);
	mend_calls = 0;
	leave(0, &spool);
	leave(1, &frames);
	leave(2, &spool);
	for (int i = 0; i < 3; i++)
		assert_int_equal(recover_partials(&house_store, &recover), 0);
	assert_int_equal(recover.recovered, 2);
	assert_int_equal(recover.failed, 1);
	assert_int_equal(mend_calls, 1);
	assert_int_equal(recover_all(house_mend), 1);
	read_published(1, &dirfd, &crash);
	assert_int_equal(crash.core_size, 3 * MIB);
}

static int mend_dies(int dirfd, int fd, uint64_t *ret_raw_size)
{
	(void)dirfd, (void)fd;
	*ret_raw_size = UINT64_MAX; /* nobody is to believe it */
	return -ECHILD;
}

/* Where frames cannot be looked at they are kept: unpacked by hand they may be of use. */
static void test_nobody_could_mend(void **state)
{
	static const struct row frames = { .recorded = CRASH_TRUNCATED,
					   .zst_frames = 3,
					   .zst_missing = NO_TABLE };
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	(void)state;
	crash_init(&crash);
	leave(0, &frames);
	assert_int_equal(recover_all(mend_dies), 1);
	read_published(0, &dirfd, &crash);
	assert_int_equal(crash.outcome, CRASH_TRUNCATED);
	assert_string_equal(crash.core_file, CRASH_CORE_ZST_NAME);
	assert_int_equal(crash.core_size, 0);
	assert_true(crash.stored_size > 0);
	assert_int_equal(faccessat(dirfd, CRASH_CORE_ZST_NAME, F_OK, 0), 0);
}

/* A published crash whose helper was killed between two steps. */
static void test_what_is_left_in_a_published_crash(void **state)
{
	static const struct {
		const char *named, *removed; /* core_file, core_removed */
		bool raw, zst;		     /* what there is */
		bool raw_stays, zst_stays;
	} tidied[] = {
		{ "core.zst", NULL, true, true, false, true },
		{ "core", NULL, true, true, true, false },
		{ NULL, "max_use", true, true, false, false },
		{ NULL, "max_use", false, true, false, false },
		/* Nothing is removed where that may be all there is. */
		{ "core.zst", NULL, true, false, true, false },
		{ "core", NULL, false, true, false, true },
		{ NULL, NULL, true, true, true, true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(tidied); i++) {
		cleanup_crash struct crash crash;
		int dirfd = -1;

		house_begin_record(i, &crash);
		crash.outcome = CRASH_STORED;
		crash_set_string(&crash.core_file, tidied[i].named);
		crash_set_string(&crash.core_removed, tidied[i].removed);
		assert_int_equal(store_begin(&house_store, crash.id, &dirfd), 0);
		assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
		if (tidied[i].raw)
			house_file(dirfd, "core", 10);
		if (tidied[i].zst)
			house_file(dirfd, "core.zst", 10);
		house_file(dirfd, ".core.zst.new", 10);
		house_file(dirfd, "maps", 10);
		assert_int_equal(store_publish(&house_store, crash.id), 0);
		assert_int_equal(recover_tidy(&house_store, crash.id), -EBUSY);
		assert_true(house_has(dirfd, ".core.zst.new"));
		fd_close(&dirfd);
		assert_int_equal(recover_tidy(&house_store, crash.id), 0);
		assert_int_equal(store_open_crash(&house_store, crash.id, &dirfd), 0);
		assert_false(house_has(dirfd, ".core.zst.new"));
		assert_true(house_has(dirfd, "maps"));
		assert_int_equal(house_has(dirfd, "core"), tidied[i].raw_stays);
		assert_int_equal(house_has(dirfd, "core.zst"), tidied[i].zst_stays);
		fd_close(&dirfd);
	}
}

/* --- killed anywhere --- */

static void recover_once(void)
{
	struct recover recover = { .mend = house_mend };

	if (recover_partials(&house_store, &recover) < 0 || recover.failed > 0)
		_exit(1);
}

/* Each way in which a helper may have ended, and then the recovery killed at each of its steps. */
static void test_the_recovery_is_killed(void **state)
{
	unsigned points = 0, ways = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		/* Each point costs three times fsync(2): those that have more than one file. */
		bool killed = rows[i].unfinished || rows[i].zst_missing > 0 ||
			      (rows[i].raw && rows[i].zst_frames > 0);

		ways += killed;

		for (unsigned n = 0; killed; n++, points++) {
			leave(i, &rows[i]);
			killed = house_killed_at(recover_once, n);
			recover_once();
			check(i, &rows[i]);
			assert_int_equal(house_teardown(state) | house_setup(state), 0);
		}
	}
	print_message("killed at %u points\n", points);
	assert_true(ways > 4 && points > 30 * ways);
}

/* A helper that captures one crash after the other, without end. */
static void capture(unsigned n)
{
	for (;; n += 1000) {
		cleanup_crash struct crash crash;
		cleanup_fd int dirfd = -1;

		house_begin_record(n, &crash);
		if (store_begin(&house_store, crash.id, &dirfd) < 0 ||
		    store_write_record(&house_store, dirfd, &crash) < 0)
			_exit(1);
		bool raw = n % 2;
		const char *name = raw ? "core" : "core.zst";
		if (raw)
			house_file(dirfd, name, 20000);
		else
			house_zst(dirfd, name, 3, 0);
		crash.outcome = CRASH_STORED;
		crash.core_size = raw ? 20000 : 3 * MIB;
		crash_set_string(&crash.core_file, name);
		set_boot_id(&crash);
		if (store_write_record(&house_store, dirfd, &crash) < 0)
			_exit(1);
		house_file(dirfd, "maps", 5000);
		if (store_publish(&house_store, crash.id) < 0)
			_exit(1);
	}
}

static void recover_forever(void)
{
	for (;;)
		recover_once();
}

static void check_published(const char *id)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	assert_int_equal(store_open_crash(&house_store, id, &dirfd), 0);
	assert_int_equal(store_read_record(dirfd, &crash), 0);
	assert_string_equal(crash.id, id);
	assert_false(house_has(dirfd, ".crash.json.new"));
	if (!crash.core_file) {
		assert_int_equal(crash.outcome, CRASH_FAILED);
		assert_false(house_has(dirfd, "core"));
		assert_false(house_has(dirfd, "core.zst"));
		return;
	}
	assert_int_equal(core_reader_open_at(dirfd, crash.core_file, &reader), 0);
	assert_int_equal(core_reader_size(reader), crash.core_size);
	if (crash.outcome == CRASH_STORED)
		assert_true(crash.core_size == 20000 || crash.core_size == 3 * MIB);
	else
		assert_int_equal(crash.outcome, CRASH_TRUNCATED);
}

/* Helpers and recoveries at once, and killed at any moment: what is there afterwards is whole, and
 * called what it is. */
static void test_killed_anywhere(void **state)
{
	size_t left = 0, published = 0, count = 0;
	time_t end = time(NULL) + HOUSE_DEADLINE_S;

	(void)state;
	for (unsigned i = 0; (i < 40 || left < 20 || published < 40) && time(NULL) < end; i++) {
		const struct timespec pause = { .tv_nsec = random() % 8000000 };
		cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL, (*partial)[CRASH_ID_SIZE] = NULL;
		pid_t pids[3];

		for (unsigned j = 0; j < 3; j++) {
			pids[j] = house_fork();
			if (pids[j] == 0 && j == 0)
				capture(i);
			else if (pids[j] == 0)
				recover_forever();
		}
		nanosleep(&pause, NULL);
		for (unsigned j = 0; j < 3; j++)
			house_kill(pids[j]);
		assert_int_equal(store_list_partial(&house_store, &partial, &count), 0);
		left += count;
		assert_int_equal(store_list(&house_store, &ids, &published), 0);
	}
	recover_once();
	cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL, (*partial)[CRASH_ID_SIZE] = NULL;
	assert_int_equal(store_list_partial(&house_store, &partial, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(store_list(&house_store, &ids, &published), 0);
	for (size_t i = 0; i < published; i++)
		check_published(ids[i]);
	print_message("%zu crashes, %zu times one was left over\n", published, left);
	assert_true(left >= 20 && published >= 40);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_whatever_was_left),
		TEST(test_another_boot_is_no_whole_core),
		TEST(test_a_living_helper_is_left_alone),
		TEST(test_an_empty_directory),
		TEST(test_a_failure_is_not_the_others),
		TEST(test_nobody_could_mend),
		TEST(test_what_is_left_in_a_published_crash),
		TEST(test_the_recovery_is_killed),
		TEST(test_killed_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
