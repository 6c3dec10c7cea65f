// SPDX-License-Identifier: MIT
/* host-helper/helper/confined.c: what a confined process that was taken over says, and how little
 * of it is believed; and the file that stays where nobody can tell what is in it. */
#include "../../host-helper/helper/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../host-helper/helper/capture.h"
#include "test.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static void test_error(void **state)
{
	static const struct {
		int32_t said, taken;
	} rows[] = {
		{ 1, -EPROTO }, { INT32_MAX, -EPROTO }, { INT32_MIN, -EPROTO }, { -4096, -EPROTO },
		{ 0, 0 },	{ -ENOSPC, -ENOSPC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct capture_report report = { .error = rows[i].said };

		assert_int_equal(confined_error(&report), rows[i].taken);
	}
}

static void test_digest(void **state)
{
	static const char *const none[] = { "",		 "\r\nX-Evil: 1", DIGITS,
					    DIGITS "\n", DIGITS "F",	  DIGITS "\xff" };
	char said[DIGEST_HEX_SIZE + 8], hex[DIGEST_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		memset(said, 0, sizeof(said));
		memcpy(said, none[i], strlen(none[i]));
		confined_digest(said, hex);
		assert_string_equal(hex, "");
	}
	/* without an end */
	memset(said, '\n', sizeof(said));
	confined_digest(said, hex);
	assert_string_equal(hex, "");
	memcpy(said, DIGITS "f", DIGEST_HEX_SIZE);
	confined_digest(said, hex);
	assert_string_equal(hex, DIGITS "f");
}

/* Bounded, whatever the configuration; and there is time for a large core. */
static void test_deadline(void **state)
{
	static const uint64_t hour_us = 3600ULL * 1000000;
	struct capture_job job = { .core_fd = -1, .zst_fd = -1, .digest_max = 16ULL << 30 };

	(void)state;
	assert_in_range(confined_run_deadline(&job, 0), 16ULL << 10, hour_us);
	job.digest_max = UINT64_MAX;
	assert_in_range(confined_run_deadline(&job, 5), hour_us, 48 * hour_us);
}

/* A core of which the table is missing, and nobody could make one. */
static void test_unchecked_file_stays(void **state)
{
	static const struct {
		bool checked;
		uint64_t stored_size;
		bool stays;
	} rows[] = { { false, 5, true }, { true, 17, false }, { false, 0, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[] = "/tmp/coreferry-test.XXXXXX";
		struct capture_request request = { .dirfd = -1 };
		struct capture_result result = { .end = CAPTURE_TIME_OVER,
						 .error = -ETIME,
						 .file = CRASH_CORE_ZST_NAME,
						 .checked = rows[i].checked,
						 .stored_size = rows[i].stored_size };
		struct crash crash;

		crash_init(&crash);
		assert_non_null(mkdtemp(path));
		request.dirfd = open(path, O_RDONLY | O_DIRECTORY);
		close(openat(request.dirfd, CRASH_CORE_ZST_NAME, O_WRONLY | O_CREAT | O_EXCL,
			     0600));
		(void)capture_describe(&request, &result, &crash);
		assert_int_equal(faccessat(request.dirfd, CRASH_CORE_ZST_NAME, F_OK, 0) == 0,
				 rows[i].stays);
		assert_int_equal(crash.outcome, rows[i].stays ? CRASH_TRUNCATED : CRASH_FAILED);
		assert_int_equal(crash.core_file != NULL, rows[i].stays);
		(void)unlinkat(request.dirfd, CRASH_CORE_ZST_NAME, 0);
		close(request.dirfd);
		assert_int_equal(rmdir(path), 0);
		crash_release(&crash);
	}
}

/* A job that failed leaves nothing behind for the next one of the same process. */
static void test_next_job(void **state)
{
	static const char core[] = "not even an ELF core";
	struct confined process = { .socket = -1 };
	struct capture_shared shared;
	struct capture_job job;
	char hex[DIGEST_HEX_SIZE];
	struct sha256_ctx ctx;
	int fd = memfd_create("core", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, core, sizeof(core)), sizeof(core));
	assert_int_equal(capture_share(&shared), 0);
	capture_job_init(&job);
	job.kind = CAPTURE_JOB_COMPRESS;
	job.core_fd = fd;
	job.zst_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* cannot be written */
	assert_true(confined_run(&process, &shared, &job, NULL, NULL) < 0);
	assert_true(process.pid > 0);
	close(job.zst_fd);

	capture_job_init(&job);
	job.kind = CAPTURE_JOB_DIGEST;
	job.core_fd = fd;
	job.digest_max = UINT64_MAX;
	assert_int_equal(confined_run(&process, &shared, &job, NULL, NULL), 0);
	digest_init(&ctx);
	digest_update(&ctx, core, sizeof(core));
	digest_finish_hex(&ctx, hex);
	assert_string_equal(shared.report->core_sha256, hex);
	assert_string_equal(shared.report->stored_sha256, hex);
	confined_end(&process);
	capture_unshare(&shared);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error),	 cmocka_unit_test(test_digest),
		cmocka_unit_test(test_deadline), cmocka_unit_test(test_unchecked_file_stays),
		cmocka_unit_test(test_next_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
