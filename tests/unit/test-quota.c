// SPDX-License-Identifier: MIT
/*
 * host-helper/helper/quota.c: who makes way for whom, that nobody's core is taken while it is read,
 * and that a removal that was cut off is finished.
 */
#include "../../host-helper/helper/quota.h"

#include "core-reader.h"
#include "house.h"

#define BLOCK  4096U
#define ENOUGH (1ULL << 60)

/* One crash to be made: the container and the program decide on its groups. */
struct row {
	const char *container, *exe;
	unsigned blocks; /* of the core; 0: none */
};

static void add(unsigned n, const struct row *row)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	house_begin_record(n, &crash);
	crash.outcome = row->blocks > 0 ? CRASH_STORED : CRASH_REFUSED;
	crash.core_size = crash.stored_size = row->blocks * BLOCK;
	memset(crash.core_sha256, 'a', 64);
	crash_set_string(&crash.exe, row->exe ? row->exe : "/usr/bin/victim");
	if (row->container) {
		crash_set_string(&crash.container_runtime, "docker");
		crash_set_string(&crash.container_id, row->container);
	}
	crash_set_string(&crash.core_file, row->blocks > 0 ? "core.zst" : NULL);
	/* Old records have none. */
	if (n % 2)
		crash_set_signature(&crash);
	assert_int_equal(store_begin(&house_store, crash.id, &dirfd), 0);
	assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	if (row->blocks > 0)
		house_file(dirfd, "core.zst", row->blocks * BLOCK);
	house_file(dirfd, "maps", 10);
	assert_int_equal(store_publish(&house_store, crash.id), 0);
}

static void add_all(const struct row *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		add(i, &rows[i]);
}

static int open_crash(unsigned n, int *ret_dirfd)
{
	char id[CRASH_ID_SIZE];

	house_id(n, id);
	return store_open_crash(&house_store, id, ret_dirfd);
}

/* '#': has its core; 'x': had one, and its record says why not any more; '-': never had one; ' ':
 * there is no such crash. */
static char state_of(unsigned n, const char *why)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	crash_init(&crash);
	int r = open_crash(n, &dirfd);
	if (r == -ENOENT)
		return ' ';
	assert_int_equal(r, 0);
	assert_int_equal(store_read_record(dirfd, &crash), 0);
	assert_true(house_has(dirfd, "maps"));
	assert_int_equal(house_has(dirfd, "core.zst"), crash.core_file != NULL);
	if (crash.core_file) {
		assert_null(crash.core_removed);
		return '#';
	}
	if (!crash.core_removed)
		return '-';
	assert_string_equal(crash.core_removed, why);
	assert_int_equal(crash.outcome, CRASH_STORED);
	assert_true(crash.core_size > 0 && crash.core_sha256[0] == 'a');
	return 'x';
}

static void check_states(const char *expected, const char *why)
{
	char states[64] = "";

	for (unsigned i = 0; i < strlen(expected); i++)
		states[i] = state_of(i, why);
	assert_string_equal(states, expected);
}

static struct quota_result enforce(const struct quota_limits *limits)
{
	struct quota_result result;

	assert_int_equal(quota_enforce(&house_store, limits, &result), 0);
	assert_int_equal(result.failed, 0);
	return result;
}

static uint64_t used(void)
{
	const struct quota_limits none = { 0 };

	return enforce(&none).used_bytes;
}

static void test_without_limits_nothing_goes(void **state)
{
	static const struct row rows[] = { { "a", NULL, 1 }, { "a", NULL, 0 }, { NULL, NULL, 2 } };
	const struct quota_limits none = { 0 }, high = { ENOUGH, 1, 3, 1, 2, 1, NULL, NULL };

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	struct quota_result result = enforce(&none);
	assert_int_equal(result.crashes, 3);
	/* The cores, and a block for each record and each snapshot. */
	assert_int_equal(result.used_bytes, (3 + 6) * BLOCK);
	result = enforce(&high);
	check_states("#-#", NULL);
	assert_int_equal(result.cores_removed + result.records_removed + result.passed_by, 0);
	assert_false(result.is_over);
}

/* The largest container gives way, in it the largest kind of crash, of that the oldest. */
static void test_max_use(void **state)
{
	static const struct row rows[] = {
		{ "a", "/1", 10 }, /* 0 */
		{ "b", "/1", 10 }, /* 1: the largest kind of all, in a small container */
		{ "b", "/1", 10 }, /* 2 */
		{ "a", "/2", 9 },  /* 3 */
		{ "a", "/3", 8 },  /* 4 */
		{ "a", "/3", 8 },  /* 5 */
		{ NULL, "/1", 9 }, /* 6 */
		{ "a", "/1", 0 },  /* 7 */
	};
	/* a has 35 blocks, b 20. */
	static const struct {
		unsigned blocks; /* that must go */
		const char *states;
	} steps[] = {
		{ 0, "#######-" }, { 1, "####x##-" }, /* /3 of a has 16; a has 27 now */
		{ 1, "x###x##-" },		      /* /1 of a has 10; 17 */
		{ 1, "xx##x##-" },		      /* b has 20; 10 */
		{ 1, "xx#xx##-" },		      /* /2 of a has 9; 8 */
		{ 1, "xxxxx##-" },		      /* b has 10 */
		{ 1, "xxxxx#x-" },		      /* the host has 9, a 8 */
		{ 1, "xxxxxxx-" },
	};

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct quota_limits limits = { .max_use_bytes =
							     used() - steps[i].blocks * BLOCK };
		struct quota_result result = enforce(&limits);
		char states[16] = "";

		for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
			states[n] = state_of(n, "max_use");
		assert_string_equal(states, steps[i].states);
		assert_int_equal(result.cores_removed, steps[i].blocks);
		assert_false(result.is_over);
		assert_true(result.used_bytes <= limits.max_use_bytes);
		assert_int_equal(result.used_bytes, used());
	}
	/* Nothing is left that could go. */
	const struct quota_limits limits = { .max_use_bytes = 1 };
	struct quota_result result = enforce(&limits);
	assert_true(result.is_over);
	assert_int_equal(result.cores_removed + result.records_removed, 0);
}

/* As many as it takes, in one run; and only so many. */
static void test_max_use_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		const struct row row = { i % 2 ? "a" : "b", i % 3 ? "/1" : "/2", 5 };

		add(i, &row);
	}
	const struct quota_limits limits = { .max_use_bytes = used() - 17 * 5 * BLOCK + 1 };
	struct quota_result result = enforce(&limits);
	assert_int_equal(result.cores_removed, 17);
	assert_int_equal(result.freed_bytes, 17 * 5 * BLOCK);
	assert_int_equal(result.crashes, 40);
	/* Of both containers nearly the same. */
	unsigned of_a = 0;
	for (unsigned i = 1; i < 40; i += 2)
		of_a += state_of(i, "max_use") == 'x';
	assert_in_range(of_a, 8, 9);
}

/* A flood of many kinds of crashes in one container does not touch another one's. */
static void test_a_flood_is_its_own(void **state)
{
	static const struct row quiet = { "quiet", "/usr/bin/osmo-bsc", 20 };
	const uint64_t before = 2 * (20 + 2) * BLOCK;
	const struct quota_limits limits = { .max_use_bytes = before + 100 * BLOCK };

	(void)state;
	add(0, &quiet);
	add(1, &quiet);
	for (unsigned i = 2; i < 30; i++) {
		char exe[32];
		const struct row row = { "flood", exe, 10 };

		snprintf(exe, sizeof(exe), "/tmp/%u", i);
		add(i, &row);
		assert_false(enforce(&limits).is_over);
	}
	check_states("##", NULL);
}

/* keep_free by what is freed, not by what the file system tells at once. */
static void test_keep_free(void **state)
{
	static const struct row rows[] = { { "a", NULL, 3 }, { "a", NULL, 3 }, { "b", NULL, 1 } };
	struct quota_limits limits = { .keep_free_bytes = ENOUGH };

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	struct quota_result result = enforce(&limits);
	assert_true(result.is_over);
	check_states("xxx", "keep_free");
	limits.keep_free_bytes = 1;
	assert_false(enforce(&limits).is_over);
}

static void test_per_container(void **state)
{
	static const struct row rows[] = {
		{ "a", "/1", 1 }, { "b", "/1", 1 }, { "a", "/2", 1 }, { "a", NULL, 0 },
		{ "a", "/1", 1 }, { "b", "/1", 1 }, { "a", "/3", 1 }, { NULL, "/1", 1 },
	};
	const struct quota_limits limits = { .max_per_container = 2 };

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	struct quota_result result = enforce(&limits);
	check_states("x#x-####", "max_per_container");
	assert_int_equal(result.cores_removed, 2);
	assert_int_equal(enforce(&limits).cores_removed, 0);
}

static void test_per_signature(void **state)
{
	static const struct row rows[] = {
		{ "a", "/1", 1 }, { "b", "/1", 1 }, { "a", "/2", 1 },  { "a", "/1", 1 },
		{ "a", "/1", 1 }, { "b", "/1", 1 }, { NULL, "/1", 1 },
	};
	const struct quota_limits limits = { .max_per_signature = 1 };
	const struct quota_limits both = { .max_per_container = 1, .max_per_signature = 1 };

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	/* What a does is no reason to take b's. */
	enforce(&limits);
	check_states("xx#x###", "max_per_signature");
	struct quota_result result = enforce(&both);
	assert_int_equal(result.cores_removed, 1);
	assert_int_equal(state_of(2, "max_per_container"), 'x');
}

/* Two users of the host are as two containers. */
static void test_users_of_the_host(void **state)
{
	static const struct row row = { NULL, "/1", 1 };
	const struct quota_limits limits = { .max_per_container = 1 };
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;

	(void)state;
	crash_init(&crash);
	add(0, &row);
	add(1, &row);
	assert_int_equal(open_crash(0, &dirfd), 0);
	assert_int_equal(store_read_record(dirfd, &crash), 0);
	crash.uid = 1000;
	assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	fd_close(&dirfd);
	enforce(&limits);
	check_states("##", NULL);
}

/* Not even by another id: it is all one user's. */
static void test_made_up_containers(void **state)
{
	static const struct row rows[] = { { "a", "/1", 1 }, { "b", "/1", 1 }, { "a", "/1", 1 } };
	const struct quota_limits limits = { .max_per_container = 1 };

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	for (unsigned i = 0; i < 2; i++) {
		cleanup_crash struct crash crash;
		cleanup_fd int dirfd = -1;

		crash_init(&crash);
		assert_int_equal(open_crash(i, &dirfd), 0);
		assert_int_equal(store_read_record(dirfd, &crash), 0);
		crash.container_owner = 1000;
		assert_int_equal(store_write_record(&house_store, dirfd, &crash), 0);
	}
	/* And it drives out nothing of the real one's. */
	enforce(&limits);
	check_states("x##", "max_per_container");
}

static uint32_t max_of(const void *context, const struct crash *crash)
{
	assert_string_equal(context, "context");
	return !crash->container_id ? 0 : crash->container_id[0] == 'a' ? 1 : 2;
}

static void test_max_by_container(void **state)
{
	static const struct row rows[] = {
		{ "a", "/1", 1 }, { "b", "/1", 1 }, { NULL, "/1", 1 }, { "a", "/1", 1 },
		{ "b", "/1", 1 }, { "b", "/1", 1 }, { NULL, "/1", 1 },
	};
	const struct quota_limits limits = { .container_max = max_of,
					     .container_max_context = "context" };

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	struct quota_result result = enforce(&limits);
	check_states("xx#####", "max_per_container");
	assert_false(result.is_over);
}

static void test_max_records(void **state)
{
	static const struct row rows[] = {
		{ "a", "/1", 1 },
		{ "b", "/1", 0 },
		{ "a", "/2", 1 },
		{ "a", "/1", 1 },
	};
	const struct quota_limits limits = { .max_records = 2 };
	int reader = -1;

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	assert_int_equal(open_crash(1, &reader), 0);
	struct quota_result result = enforce(&limits);
	fd_close(&reader);
	check_states(" - #", NULL);
	assert_int_equal(result.crashes, 2);
	assert_int_equal(result.records_removed, 2);
	assert_int_equal(result.passed_by, 1);
	assert_false(result.is_over);
	result = enforce(&limits);
	assert_int_equal(result.records_removed + result.tidied, 0);
}

static void test_max_age(void **state)
{
	static const struct row rows[] = {
		{ "a", "/1", 1 },
		{ "b", "/1", 0 },
		{ "a", "/2", 1 },
		{ "a", "/1", 1 },
	};
	struct quota_limits limits = { .oldest_us = 1 };
	char(*ids)[CRASH_ID_SIZE] = NULL;
	size_t count = 0;
	uint32_t pid;
	int reader = -1;

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	struct quota_result result = enforce(&limits);
	check_states("#-##", NULL);
	assert_int_equal(store_list(&house_store, &ids, &count), 0);
	assert_int_equal(count, 4);
	/* The newest one is exactly as old as may be. */
	assert_int_equal(crash_id_parse(ids[0], &limits.oldest_us, &pid), 0);
	free(ids);
	assert_int_equal(open_crash(1, &reader), 0);
	result = enforce(&limits);
	fd_close(&reader);
	assert_int_equal(result.records_removed, 2);
	assert_int_equal(result.passed_by, 1);
	limits.max_records = 1;
	result = enforce(&limits);
	check_states("   #", NULL);
	assert_int_equal(result.records_removed, 1);
	assert_int_equal(result.crashes, 1);
}

/* What is read, pushed or compressed is passed by, and the next one goes. */
static void test_in_use_is_passed_by(void **state)
{
	static const struct row rows[] = { { "a", NULL, 4 }, { "a", NULL, 2 }, { "b", NULL, 1 } };
	const struct quota_limits limits = { .max_use_bytes = 1 };
	int reader = -1;

	(void)state;
	add_all(rows, ARRAY_SIZE(rows));
	assert_int_equal(open_crash(0, &reader), 0);
	struct quota_result result = enforce(&limits);
	fd_close(&reader);
	check_states("#xx", "max_use");
	assert_int_equal(result.passed_by, 1);
	assert_true(result.is_over);
	enforce(&limits);
	check_states("xxx", "max_use");
}

/* A damaged record is no reason to keep a core for ever. */
static void test_damaged_records(void **state)
{
	static const struct row row = { "a", NULL, 4 };
	const struct quota_limits limits = { .max_use_bytes = 1 };
	char id[CRASH_ID_SIZE];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		cleanup_fd int dirfd = -1;

		add(i, &row);
		assert_int_equal(open_crash(i, &dirfd), 0);
		assert_int_equal(unlinkat(dirfd, CRASH_JSON_NAME, 0), 0);
		if (i > 0)
			house_file(dirfd, CRASH_JSON_NAME, i == 1 ? 0 : 100);
	}
	assert_int_equal(enforce(&limits).cores_removed, 3);
	for (unsigned i = 0; i < 3; i++) {
		cleanup_fd int dirfd = -1;

		house_id(i, id);
		assert_int_equal(store_open_crash(&house_store, id, &dirfd), 0);
		assert_false(house_has(dirfd, "core.zst"));
		assert_int_equal(house_has(dirfd, CRASH_JSON_NAME), i > 0);
	}
}

/* --- killed, and read meanwhile --- */

static void enforce_strictly(void)
{
	const struct quota_limits limits = { .max_use_bytes = 1, .max_records = 3 };
	struct quota_result result;

	if (quota_enforce(&house_store, &limits, &result) < 0 || result.failed > 0)
		_exit(1);
}

/* What each reader must find, whatever was killed. */
static void check_each(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		cleanup_crash struct crash crash;
		cleanup_fd int dirfd = -1;

		crash_init(&crash);
		if (open_crash(i, &dirfd) == -ENOENT)
			continue;
		assert_int_equal(store_read_record(dirfd, &crash), 0);
		assert_true(house_has(dirfd, "maps"));
		assert_true(!crash.core_file != !crash.core_removed);
		if (crash.core_file)
			assert_true(house_has(dirfd, crash.core_file));
	}
}

/* Killed at each of its steps: readers find whole crashes, and the next run finishes it. */
static void test_killed_anywhere(void **state)
{
	static const struct row rows[] = {
		{ "a", NULL, 1 }, { "b", NULL, 1 }, { "a", NULL, 1 }, { "a", NULL, 1 }
	};
	unsigned hidden = 0, unnamed = 0, n = 0;
	bool killed;

	do {
		cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
		cleanup_fd int dirfd = -1;
		size_t count;

		add_all(rows, ARRAY_SIZE(rows));
		killed = house_killed_at(enforce_strictly, n++);
		check_each(ARRAY_SIZE(rows));
		assert_int_equal(store_list_state(&house_store, STORE_REMOVED, &ids, &count), 0);
		hidden += count > 0;
		/* Cut off between the record and the core. */
		if (open_crash(1, &dirfd) == 0 && house_has(dirfd, "core.zst")) {
			cleanup_crash struct crash crash;

			assert_int_equal(store_read_record(dirfd, &crash), 0);
			unnamed += crash.core_removed != NULL;
		}
		fd_close(&dirfd);
		enforce_strictly();
		check_states(" xxx", "max_use");
		free(ids);
		assert_int_equal(store_list_state(&house_store, STORE_REMOVED, &ids, &count), 0);
		assert_int_equal(count, 0);
		assert_int_equal(house_teardown(state) | house_setup(state), 0);
	} while (killed);
	print_message("killed at %u points; %u with a hidden crash, %u with an unnamed core\n",
		      n - 1, hidden, unnamed);
	assert_true(n > 50 && hidden > 2 && unnamed > 2);
}

static void enforce_forever(void)
{
	for (unsigned i = 0;; i++) {
		const struct quota_limits limits = { .max_use_bytes = 60 * BLOCK,
						     .max_records = 10 + i % 10 };
		struct quota_result result;

		if (quota_enforce(&house_store, &limits, &result) < 0 || result.failed > 0)
			_exit(1);
	}
}

/* Every byte of a core that a reader could open is there until it lets it go. */
static void read_one(const char *id, unsigned *whole, unsigned *gone)
{
	cleanup_core_reader struct core_reader *reader = NULL;
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;
	char buf[BLOCK];

	crash_init(&crash);
	int r = store_open_crash(&house_store, id, &dirfd);
	if (r == -ENOENT)
		return;
	assert_int_equal(r, 0);
	assert_int_equal(store_read_record(dirfd, &crash), 0);
	assert_true(house_has(dirfd, "maps"));
	if (!crash.core_file) {
		assert_non_null(crash.core_removed);
		assert_false(house_has(dirfd, "core"));
		(*gone)++;
		return;
	}
	assert_int_equal(core_reader_open_at(dirfd, crash.core_file, &reader), 0);
	fd_close(&dirfd);
	for (uint64_t at = 0; at < crash.core_size; at += BLOCK) {
		assert_int_equal(core_reader_pread(reader, buf, BLOCK, at), BLOCK);
		for (size_t i = 0; i < BLOCK; i++)
			assert_int_equal(buf[i], 'c');
	}
	/* It is still under its name, too. */
	cleanup_fd int again = -1;
	assert_int_equal(store_open_crash(&house_store, id, &again), 0);
	assert_true(house_has(again, "core"));
	(*whole)++;
}

static unsigned to_read;

/* In a child: whoever finds half a crash does not exit with 0. */
static void read_strictly(void)
{
	unsigned whole = 0, gone = 0;
	char id[CRASH_ID_SIZE];

	house_id(to_read, id);
	read_one(id, &whole, &gone);
}

static void add_readable(unsigned n)
{
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;
	char core[8 * BLOCK];

	memset(core, 'c', sizeof(core));
	house_begin_record(n, &crash);
	crash.outcome = CRASH_STORED;
	crash.core_size = crash.stored_size = sizeof(core);
	crash_set_string(&crash.core_file, "core");
	if (store_begin(&house_store, crash.id, &dirfd) < 0 ||
	    file_create_at(dirfd, "core", core, sizeof(core), 0640) < 0 ||
	    file_create_at(dirfd, "maps", "", 0, 0640) < 0 ||
	    store_write_record(&house_store, dirfd, &crash) < 0 ||
	    store_publish(&house_store, crash.id) < 0)
		_exit(1);
}

/* The whole quota between any two steps of a reader: of a crash that is removed, and of one that
 * loses its core. */
static void test_the_quota_between_two_steps(void **state)
{
	unsigned points = 0;

	for (to_read = 0; to_read < 2; to_read++) {
		bool stopped = true;

		for (unsigned n = 0; stopped; n++, points++) {
			for (unsigned i = 0; i < 4; i++)
				add_readable(i);
			stopped = house_interrupted_at(read_strictly, n, enforce_strictly);
			assert_int_equal(house_teardown(state) | house_setup(state), 0);
		}
	}
	print_message("interrupted at %u points\n", points);
	assert_true(points > 40);
}

static void test_readers_and_the_quota(void **state)
{
	unsigned whole = 0, gone = 0;

	(void)state;
	pid_t writer = house_fork();
	if (writer == 0)
		for (unsigned n = 0;; n++)
			add_readable(n);
	pid_t quota = house_fork();
	if (quota == 0)
		enforce_forever();
	time_t end = time(NULL) + HOUSE_DEADLINE_S;
	for (unsigned i = 0; (i < 1000 || whole < 300 || gone < 300) && time(NULL) < end; i++) {
		cleanup_free char(*ids)[CRASH_ID_SIZE] = NULL;
		size_t count = 0;

		assert_int_equal(store_list(&house_store, &ids, &count), 0);
		/* The oldest: those that are about to go. */
		for (size_t j = count; j > 0 && j + 4 > count; j--)
			read_one(ids[j - 1], &whole, &gone);
		if (count > 8)
			read_one(ids[count - 8], &whole, &gone);
		if (count > 0)
			read_one(ids[0], &whole, &gone);
	}
	/* Both still run: what they could not do would have ended them. */
	house_kill(quota);
	house_kill(writer);
	print_message("%u cores read whole, %u were gone\n", whole, gone);
	assert_true(whole >= 300 && gone >= 300);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_without_limits_nothing_goes),
		TEST(test_max_use),
		TEST(test_max_use_at_once),
		TEST(test_a_flood_is_its_own),
		TEST(test_keep_free),
		TEST(test_per_container),
		TEST(test_per_signature),
		TEST(test_users_of_the_host),
		TEST(test_made_up_containers),
		TEST(test_max_by_container),
		TEST(test_max_records),
		TEST(test_max_age),
		TEST(test_in_use_is_passed_by),
		TEST(test_damaged_records),
		TEST(test_killed_anywhere),
		TEST(test_the_quota_between_two_steps),
		TEST(test_readers_and_the_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
