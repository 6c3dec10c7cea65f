// SPDX-License-Identifier: MIT
/* host-helper/helper/admission.c: each rule refuses what it should, in its order, lets all else
 * through, and says why in words of the configuration. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../host-helper/helper/admission.h"
#include "fd.h"
#include "test.h"

#define NOW	     1800000000000000ULL
#define MIB	     (1ULL << 20)
#define GIB	     (1ULL << 30)
#define CONTAINER_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct fixture {
	char dir[64];
	struct config config;
	struct crash crash;
	struct admission_request request;
	struct admission admission;
};

static void set(char **field, const char *value)
{
	free(*field);
	*field = NULL;
	assert_int_equal(crash_set_string(field, value), 0);
}

/* The crash of a program in a Docker container, on a disk of 100 GiB that is half free. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-admission.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(config_init(&f->config), 0);
	crash_init(&f->crash);
	set(&f->crash.exe, "/usr/bin/osmo-bsc");
	set(&f->crash.comm, "osmo-bsc");
	set(&f->crash.container_runtime, "docker");
	set(&f->crash.container_id, CONTAINER_ID);
	set(&f->crash.container_name, "");
	f->crash.signal = 11;
	f->crash.time_us = NOW;
	f->crash.rlimit_core = UINT64_MAX;
	f->request = (struct admission_request){
		.config = &f->config,
		.crash = &f->crash,
		.has_rlimit = true,
		.storefd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.fs_free_bytes = 50 * GIB,
		.fs_total_bytes = 100 * GIB,
		.resident_bytes = 100 * MIB,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlinkat(f->request.storefd, "rates", 0);
	close(f->request.storefd);
	config_release(&f->config);
	crash_release(&f->crash);
	int r = rmdir(f->dir);
	free(f);
	return r;
}

static void configure(struct fixture *f, const char *text)
{
	cleanup_free char *copy = strdup(text);
	char error[CONFIG_ERROR_SIZE];

	assert_int_equal(config_parse(&f->config, "f.conf", copy, error), 0);
}

static void assert_granted(struct fixture *f)
{
	memset(&f->admission, 'x', sizeof(f->admission));
	admission_decide(&f->request, &f->admission);
	assert_string_equal(f->admission.reason, "");
	assert_false(f->admission.refused);
}

static void assert_refused(struct fixture *f, enum counter counter, const char *reason)
{
	memset(&f->admission, 'x', sizeof(f->admission));
	admission_decide(&f->request, &f->admission);
	assert_true(f->admission.refused);
	assert_string_equal(f->admission.reason, reason);
	assert_int_equal(f->admission.counter, counter);
}

static void test_granted_by_default(void **state)
{
	struct fixture *f = *state;

	f->crash.rlimit_core = 0; /* nobody asked to honour it */
	for (int i = 0; i < 100; i++)
		assert_granted(f);
	assert_int_equal(f->admission.max_bytes, UINT64_MAX);
	assert_int_equal(f->admission.max_offset, UINT64_MAX);
	assert_int_equal(f->admission.max_disk, 45 * GIB);
	assert_true(f->admission.fits_spool);
	assert_string_equal(f->admission.max_bytes_reason, "");
	assert_string_equal(f->admission.max_offset_reason, "");
	/* Without limits nothing is written. */
	assert_int_equal(faccessat(f->request.storefd, "rates", F_OK, 0), -1);
}

static void test_nothing_is_known(void **state)
{
	struct fixture *f = *state;
	char **strings[] = { &f->crash.exe, &f->crash.comm, &f->crash.container_runtime,
			     &f->crash.container_id, &f->crash.container_name };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		set(strings[i], NULL);
	configure(f, "exclude_exe = * /*\nexclude_container = * *:*\nrate_per_container = 1/1h\n"
		     "rate_per_signature = 1/1h\nhonour_rlimit = yes\n");
	f->request.has_rlimit = false;
	f->crash.rlimit_core = 0;
	f->request.fs_total_bytes = f->request.fs_free_bytes = 0;
	f->request.resident_bytes = 0;
	assert_granted(f);
	assert_false(f->admission.fits_spool);
	assert_refused(f, COUNTER_REFUSED_RATE_SIGNATURE, "rate_per_signature: more than 1 in 1h");
}

/* --- exclude --- */

static void test_exclude_exe(void **state)
{
	static const struct {
		const char *pattern, *exe;
		bool excluded;
	} rows[] = {
		{ "osmo-*", "/usr/bin/osmo-bsc", true },
		{ "bsc", "/usr/bin/osmo-bsc", false },
		{ "osmo-bsc", "/osmo-bsc/other", false },
		{ "/usr/bin/osmo-bsc", "/usr/bin/osmo-bsc", true },
		{ "/usr/bin/*", "/usr/bin/osmo-bsc", true },
		{ "/usr/*", "/usr/bin/osmo-bsc", true },
		{ "bin/*", "/usr/bin/osmo-bsc", false },
		{ "*/bin/*", "/usr/bin/osmo-bsc", true },
		{ "*", "/usr/bin/osmo-bsc", true },
		{ "*", "", false },
		{ "osmo-b[a-s]c", "/x/osmo-bsc", true },
		{ "OSMO-BSC", "/x/osmo-bsc", false },
		{ "[", "/x/[", true },
		{ "a b", "/x/a b", false }, /* two patterns */
		{ "none a?b", "/x/a b", true },
		{ "?", "/x/\xff", true }, /* bytes, not characters */
		{ "x*", "/usr/bin/x\n\x1b[31m", true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *line = NULL;
		cleanup_free char *reason = NULL;
		const char *last = strrchr(rows[i].pattern, ' ');

		assert_true(asprintf(&line, "exclude_exe = %s", rows[i].pattern) > 0);
		assert_true(asprintf(&reason, "exclude_exe: matches %s",
				     last ? last + 1 : rows[i].pattern) > 0);
		configure(f, line);
		set(&f->crash.exe, rows[i].exe);
		print_message("%s\n", line);
		if (rows[i].excluded)
			assert_refused(f, COUNTER_REFUSED_EXCLUDE, reason);
		else
			assert_granted(f);
	}
}

static void test_exclude_container(void **state)
{
	static const struct {
		const char *pattern, *runtime, *id, *name;
		bool excluded;
	} rows[] = {
		{ "docker:*", "docker", CONTAINER_ID, "", true },
		{ "docker:*", "podman", CONTAINER_ID, "", false },
		{ "docker:0123*", "docker", CONTAINER_ID, "web", true },
		{ "docker:web", "docker", CONTAINER_ID, "web", true },
		{ "docker", "docker", CONTAINER_ID, "web", false },
		{ "web", "docker", CONTAINER_ID, "web", true },
		{ "we?", "docker", CONTAINER_ID, "web", true },
		{ "eb", "docker", CONTAINER_ID, "web", false },
		{ CONTAINER_ID, "docker", CONTAINER_ID, "web", true },
		{ "0123*", "docker", CONTAINER_ID, "", true },
		{ "lxc:db?", "lxc", "", "db1", true },
		{ "lxc:db?", "lxc", "", "xdb1", false },
		{ "lxc:a:b", "lxc", "", "a:b", true },
		{ "*", "lxc", "", "db1", true },
		{ "* *:*", "", "", "", false }, /* not in a container */
		{ "*:", "", "", "", false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_free char *line = NULL;
		cleanup_free char *reason = NULL;

		assert_true(asprintf(&line, "exclude_container = %s", rows[i].pattern) > 0);
		assert_true(asprintf(&reason, "exclude_container: matches %s", rows[i].pattern) >
			    0);
		configure(f, line);
		set(&f->crash.container_runtime, rows[i].runtime);
		set(&f->crash.container_id, rows[i].id);
		set(&f->crash.container_name, rows[i].name);
		print_message("%s\n", line);
		if (rows[i].excluded)
			assert_refused(f, COUNTER_REFUSED_EXCLUDE, reason);
		else
			assert_granted(f);
	}
}

/* A pattern is the operator's, but the text is the victim's: no text may take for ever. */
static void test_a_long_path_takes_no_time(void **state)
{
	struct fixture *f = *state;
	char path[4096];
	struct timespec before, after;

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	set(&f->crash.exe, path);
	configure(f, "exclude_exe = /*a*a*a*a*a*a*a*a*b *a*a*a*a*a*a*a*a*b\n");
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_granted(f);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 2);
}

/* --- rlimit --- */

static void test_rlimit(void **state)
{
	struct fixture *f = *state;

	configure(f, "honour_rlimit = yes\n");
	assert_granted(f);
	assert_int_equal(f->admission.max_offset, UINT64_MAX);
	f->crash.rlimit_core = 0;
	assert_refused(f, COUNTER_REFUSED_RLIMIT, "honour_rlimit: RLIMIT_CORE is 0 bytes");
	f->crash.rlimit_core = 4095;
	assert_refused(f, COUNTER_REFUSED_RLIMIT, "honour_rlimit: RLIMIT_CORE is 4095 bytes");
	f->crash.rlimit_core = 4096;
	assert_granted(f);
	assert_int_equal(f->admission.max_offset, 4096);
	assert_string_equal(f->admission.max_offset_reason,
			    "honour_rlimit: RLIMIT_CORE is 4096 bytes");
	assert_int_equal(f->admission.max_bytes, UINT64_MAX);
	/* The shortest core_pattern line does not pass it. */
	f->request.has_rlimit = false;
	f->crash.rlimit_core = 0;
	assert_granted(f);
	assert_int_equal(f->admission.max_offset, UINT64_MAX);
}

static void test_max_core(void **state)
{
	struct fixture *f = *state;

	configure(f, "max_core = 64M\n");
	assert_granted(f);
	assert_int_equal(f->admission.max_bytes, 64 * MIB);
	assert_string_equal(f->admission.max_bytes_reason, "max_core: no more than 64M of memory");
	assert_string_equal(f->admission.max_offset_reason, "");
	configure(f, "max_core = 1025\n");
	assert_granted(f);
	assert_string_equal(f->admission.max_bytes_reason, "max_core: no more than 1025 of memory");
	/* What is left out needs no room. */
	f->request.fs_free_bytes = 6 * GIB;
	f->request.resident_bytes = 5 * GIB;
	assert_granted(f);
	assert_true(f->admission.fits_spool);
	configure(f, "max_core = 0\n");
	assert_granted(f);
	assert_false(f->admission.fits_spool);
}

/* --- rate --- */

static void test_rate_per_container(void **state)
{
	struct fixture *f = *state;

	configure(f, "rate_per_container = 2/90s\n");
	assert_granted(f);
	set(&f->crash.exe, "/usr/bin/other");
	assert_granted(f);
	set(&f->crash.exe, "/usr/bin/third");
	assert_refused(f, COUNTER_REFUSED_RATE_CONTAINER, "rate_per_container: more than 2 in 90s");

	/* A neighbour does not suffer for it, nor do the host's users, each by himself. */
	set(&f->crash.container_id, "f" CONTAINER_ID);
	assert_granted(f);
	set(&f->crash.container_id, "");
	set(&f->crash.container_name, "docker");
	assert_granted(f);
	set(&f->crash.container_name, "");
	set(&f->crash.container_runtime, "");
	f->crash.uid = 1000;
	assert_granted(f);
	assert_granted(f);
	assert_refused(f, COUNTER_REFUSED_RATE_CONTAINER, "rate_per_container: more than 2 in 90s");
	f->crash.uid = 1001;
	assert_granted(f);
	f->crash.uid = 1000;
	f->crash.time_us += 90 * 1000000ULL;
	assert_granted(f);
	/* Whatever id a user makes up: it is his. */
	f->crash.container_owner = 1000;
	assert_granted(f);
	set(&f->crash.container_id, "e" CONTAINER_ID);
	assert_granted(f);
	set(&f->crash.container_id, "d" CONTAINER_ID);
	assert_refused(f, COUNTER_REFUSED_RATE_CONTAINER, "rate_per_container: more than 2 in 90s");
	f->crash.container_owner = 0;
	assert_granted(f);
}

static void test_rate_per_signature(void **state)
{
	static const char reason[] = "rate_per_signature: more than 1 in 1min";
	struct fixture *f = *state;

	configure(f, "rate_per_container = 3/1h\nrate_per_signature = 1/1min\n");
	assert_granted(f);
	for (int i = 0; i < 10; i++)
		assert_refused(f, COUNTER_REFUSED_RATE_SIGNATURE, reason);
	f->crash.signal = 6;
	assert_granted(f); /* the refused ones took nothing from their container */
	set(&f->crash.exe, "/usr/bin/other");
	assert_granted(f);
	set(&f->crash.exe, "/usr/bin/third");
	assert_refused(f, COUNTER_REFUSED_RATE_CONTAINER, "rate_per_container: more than 3 in 1h");
	set(&f->crash.container_id, "f" CONTAINER_ID);
	assert_granted(f);
	assert_refused(f, COUNTER_REFUSED_RATE_SIGNATURE, reason);
	/* A program whose path is not known counts by its name. */
	set(&f->crash.exe, NULL);
	assert_granted(f);
	assert_refused(f, COUNTER_REFUSED_RATE_SIGNATURE, reason);
	set(&f->crash.comm, "x");
	assert_granted(f);
}

/* Where one part ends another begins: what is cut otherwise is another signature. */
static void test_keys_are_told_apart(void **state)
{
	struct fixture *f = *state;

	configure(f, "rate_per_signature = 1/1h\nrate_per_container = 1/1h\n");
	set(&f->crash.container_runtime, "lxc");
	set(&f->crash.container_id, "");
	set(&f->crash.container_name, "a");
	set(&f->crash.exe, "b/c");
	assert_granted(f);
	set(&f->crash.container_name, "ab");
	set(&f->crash.exe, "/c");
	assert_granted(f);
	set(&f->crash.container_runtime, "lxca");
	set(&f->crash.container_name, "b");
	assert_granted(f);
}

static void test_what_cannot_be_counted_is_let_through(void **state)
{
	struct fixture *f = *state;

	configure(f, "rate_per_container = 1/1h\n");
	assert_int_equal(mkfifoat(f->request.storefd, "rates", 0600), 0);
	assert_granted(f);
	assert_granted(f);
}

/* --- keep_free --- */

static void test_keep_free(void **state)
{
	struct fixture *f = *state;

	f->request.fs_free_bytes = 5 * GIB; /* 5 % is kept */
	assert_refused(f, COUNTER_REFUSED_KEEP_FREE,
		       "keep_free: 5120 MiB of the disk are free, and 5120 MiB are to be left");
	f->request.fs_free_bytes = 0;
	assert_refused(f, COUNTER_REFUSED_KEEP_FREE,
		       "keep_free: 0 MiB of the disk are free, and 5120 MiB are to be left");
	f->request.fs_free_bytes = 5 * GIB + 150 * MIB;
	assert_granted(f);
	assert_int_equal(f->admission.max_disk, 150 * MIB);
	assert_false(f->admission.fits_spool); /* 100 MiB, as they are and compressed */
	f->request.fs_free_bytes = 5 * GIB + 200 * MIB;
	assert_granted(f);
	assert_true(f->admission.fits_spool);

	configure(f, "keep_free = 60G\n");
	assert_refused(f, COUNTER_REFUSED_KEEP_FREE,
		       "keep_free: 5320 MiB of the disk are free, and 61440 MiB are to be left");
	configure(f, "keep_free = 0\n");
	f->request.fs_free_bytes = 1;
	assert_granted(f);
	assert_int_equal(f->admission.max_disk, UINT64_MAX);
	assert_false(f->admission.fits_spool);
}

static void test_space_is_asked_again(void **state)
{
	struct fixture *f = *state;

	configure(f, "rate_per_container = 1/1h\nmax_core = 1G\n");
	f->request.fs_free_bytes = GIB;
	assert_refused(f, COUNTER_REFUSED_KEEP_FREE,
		       "keep_free: 1024 MiB of the disk are free, and 5120 MiB are to be left");
	/* Something was removed: not counted for the rate once more, and the limits stay. */
	f->request.fs_free_bytes = 10 * GIB;
	admission_decide_space(&f->request, &f->admission);
	assert_false(f->admission.refused);
	assert_string_equal(f->admission.reason, "");
	assert_int_equal(f->admission.max_disk, 5 * GIB);
	assert_int_equal(f->admission.max_bytes, GIB);
	f->request.fs_free_bytes = GIB;
	admission_decide_space(&f->request, &f->admission);
	assert_true(f->admission.refused);
}

static void test_the_order(void **state)
{
	struct fixture *f = *state;

	configure(f, "rate_per_container = 1/1h\nhonour_rlimit = yes\nexclude_exe = osmo-*\n");
	f->crash.rlimit_core = 0;
	f->request.fs_free_bytes = 0;
	assert_refused(f, COUNTER_REFUSED_EXCLUDE, "exclude_exe: matches osmo-*");
	configure(f, "exclude_exe =\n");
	assert_refused(f, COUNTER_REFUSED_RLIMIT, "honour_rlimit: RLIMIT_CORE is 0 bytes");
	f->crash.rlimit_core = UINT64_MAX;
	/* Those above were not counted: this is the first. */
	assert_refused(f, COUNTER_REFUSED_KEEP_FREE,
		       "keep_free: 0 MiB of the disk are free, and 5120 MiB are to be left");
	assert_refused(f, COUNTER_REFUSED_RATE_CONTAINER, "rate_per_container: more than 1 in 1h");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_granted_by_default),
		TEST(test_nothing_is_known),
		TEST(test_exclude_exe),
		TEST(test_exclude_container),
		TEST(test_a_long_path_takes_no_time),
		TEST(test_rlimit),
		TEST(test_max_core),
		TEST(test_rate_per_container),
		TEST(test_rate_per_signature),
		TEST(test_keys_are_told_apart),
		TEST(test_what_cannot_be_counted_is_let_through),
		TEST(test_keep_free),
		TEST(test_space_is_asked_again),
		TEST(test_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
