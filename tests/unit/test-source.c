// SPDX-License-Identifier: MIT
/* container-agent/source.c: the core as it is, unpacked, from anywhere; and what is no core. */
#include "../../container-agent/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "fd.h"
#include "seekable.h"
#include "test.h"

#define RAW_BYTES ((3U << 20) + 12345)

static char raw[RAW_BYTES];
static char packed[RAW_BYTES + (1U << 20)];
static size_t packed_len;

/* As the helper stores it, with the zeros of a hole in the middle. */
static int make_core(void **state)
{
	FILE *f = tmpfile();
	struct seekable_writer *w = NULL;
	unsigned seed = 1;

	(void)state;
	for (size_t i = 0; i < RAW_BYTES; i++)
		raw[i] = i > 4096 && i < 2U << 20 ? '\0' : (char)rand_r(&seed);
	if (!f || seekable_writer_new(fileno(f), 1, &w) < 0)
		return -1;
	for (size_t done = 0; done < RAW_BYTES; done += 1U << 20) {
		size_t n = RAW_BYTES - done < 1U << 20 ? RAW_BYTES - done : 1U << 20;

		if (seekable_writer_add(w, raw + done, n) < 0)
			return -1;
	}
	if (seekable_writer_finish(w) < 0)
		return -1;
	packed_len = (size_t)seekable_writer_stored_size(w);
	seekable_writer_free(&w);
	int r = fd_pread_all(fileno(f), packed, packed_len, 0);
	fclose(f);
	return r;
}

static int file_of(const char *data, size_t len)
{
	FILE *f = tmpfile();
	int fd = f ? dup(fileno(f)) : -1;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	fclose(f);
	return fd;
}

static void describe(const char *encoding, size_t size, size_t raw_size)
{
	char text[24];

	clearenv();
	setenv("CORE_ENCODING", encoding, 1);
	snprintf(text, sizeof(text), "%zu", size);
	setenv("CORE_SIZE", text, 1);
	snprintf(text, sizeof(text), "%zu", raw_size);
	setenv("CORE_RAW_SIZE", text, 1);
}

/* Reads on to the end, by odd pieces, and compares. */
static void read_rest(struct source *s, const char *expected, size_t len)
{
	static char buf[70001];
	size_t at = (size_t)s->position;
	ssize_t n;

	while ((n = source_read(s, buf, sizeof(buf))) > 0) {
		assert_true(at + (size_t)n <= len);
		assert_memory_equal(buf, expected + at, (size_t)n);
		at += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, len);
	assert_int_equal(s->position, len);
}

static void test_forms(void **state)
{
	char error[SOURCE_ERROR_SIZE];

	(void)state;
	for (int unpacks = 0; unpacks < 2; unpacks++) {
		cleanup_fd int fd = file_of(packed, packed_len);
		cleanup_source struct source s = { .fd = -1 };

		describe("zstd", packed_len, RAW_BYTES);
		assert_int_equal(source_open(&s, fd, unpacks ? "identity" : "zstd", error), 0);
		assert_int_equal(s.is_raw, unpacks);
		assert_string_equal(s.suffix, unpacks ? ".core" : ".core.zst");
		assert_int_equal(s.size, unpacks ? RAW_BYTES : packed_len);
		read_rest(&s, unpacks ? raw : packed, unpacks ? RAW_BYTES : packed_len);
		/* From the middle, from the end, and back, which a file can. */
		assert_int_equal(source_seek(&s, 765432), 0);
		read_rest(&s, unpacks ? raw : packed, unpacks ? RAW_BYTES : packed_len);
		assert_int_equal(source_seek(&s, s.size), 0);
		assert_int_equal(source_seek(&s, s.size + 1), -EBADMSG);
	}
	cleanup_fd int fd = file_of(raw, RAW_BYTES);
	cleanup_source struct source s = { .fd = -1 };
	clearenv();
	assert_int_equal(source_open(&s, fd, "zstd", error), 0); /* cannot be had */
	assert_true(s.is_raw && s.has_size && s.size == RAW_BYTES);
	read_rest(&s, raw, RAW_BYTES);
}

static void test_pipe(void **state)
{
	char error[SOURCE_ERROR_SIZE];

	(void)state;
	for (int unpacks = 0; unpacks < 2; unpacks++) {
		cleanup_source struct source s = { .fd = -1 };
		int fds[2];

		assert_int_equal(pipe(fds), 0);
		if (fork() == 0) {
			close(fds[0]);
			_exit(fd_write_all(fds[1], packed, packed_len) < 0);
		}
		close(fds[1]);
		describe("zstd", packed_len, RAW_BYTES);
		assert_int_equal(source_open(&s, fds[0], unpacks ? "identity" : "zstd", error), 0);
		assert_int_equal(source_seek(&s, 600000), 0);
		assert_int_equal(source_seek(&s, 1), -ESPIPE);
		read_rest(&s, unpacks ? raw : packed, unpacks ? RAW_BYTES : packed_len);
		close(fds[0]);
	}
}

/* Reads to the end; the error that it ends with. */
static ssize_t read_all(const char *data, size_t len, size_t size, size_t raw_size)
{
	cleanup_fd int fd = file_of(data, len);
	cleanup_source struct source s = { .fd = -1 };
	char error[SOURCE_ERROR_SIZE];
	static char buf[1U << 20];
	ssize_t n;

	describe("zstd", size, raw_size);
	assert_int_equal(source_open(&s, fd, raw_size ? "identity" : "zstd", error), 0);
	while ((n = source_read(&s, buf, sizeof(buf))) > 0)
		;
	return n;
}

static void test_damaged(void **state)
{
	(void)state;
	assert_int_equal(read_all(packed, packed_len, packed_len, 0), 0);
	assert_int_equal(read_all(packed, packed_len, packed_len + 1, 0), -EBADMSG);
	assert_int_equal(read_all(packed, packed_len, packed_len - 1, 0), -EBADMSG);
	assert_int_equal(read_all(packed, packed_len, packed_len, RAW_BYTES), 0);
	assert_int_equal(read_all(packed, packed_len, packed_len, RAW_BYTES + 1), -EBADMSG);
	assert_int_equal(read_all(packed, packed_len, packed_len, RAW_BYTES - 1), -EBADMSG);
	assert_int_equal(read_all(packed, packed_len / 2, packed_len, RAW_BYTES), -EBADMSG);
	assert_int_equal(read_all("not zstd", 8, 8, RAW_BYTES), -EBADMSG);
	assert_int_equal(read_all("", 0, 0, RAW_BYTES), -EBADMSG);
	packed[1000] ^= 1; /* the frame's own checksum */
	assert_int_equal(read_all(packed, packed_len, packed_len, RAW_BYTES), -EBADMSG);
	packed[1000] ^= 1;
}

/* A frame that asks for a window of 128 MiB. */
static void test_window(void **state)
{
	static char out[1U << 16];
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	(void)state;
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_windowLog, 27);
	ZSTD_outBuffer o = { out, sizeof(out), 0 };
	ZSTD_inBuffer i = { raw, 4096, 0 };
	(void)ZSTD_compressStream2(cctx, &o, &i, ZSTD_e_flush); /* its size is not known */
	assert_int_equal(ZSTD_compressStream2(cctx, &o, &i, ZSTD_e_end), 0);
	ZSTD_freeCCtx(cctx);
	assert_int_equal(read_all(out, o.pos, o.pos, 4096), -EBADMSG);
}

static void test_environment(void **state)
{
	static const char *const bad[][2] = {
		{ "CORE_ENCODING", "gzip" },   { "CORE_SIZE", "-1" },
		{ "CORE_SIZE", "1k" },	       { "CORE_SIZE", "18446744073709551615" },
		{ "CORE_SHA256", "abc" },      { "CORE_RAW_SIZE", "x" },
		{ "CORE_RAW_SHA256", "\r\n" },
	};
	struct source s;
	char error[SOURCE_ERROR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		bool of_raw = strncmp(bad[i][0], "CORE_RAW", 8) == 0;

		describe("zstd", 1, 1);
		setenv(bad[i][0], bad[i][1], 1);
		error[0] = '\0';
		assert_int_equal(source_open(&s, 0, of_raw ? "identity" : "zstd", error), -EINVAL);
		assert_non_null(strstr(error, bad[i][0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	    cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_damaged),	    cmocka_unit_test(test_window),
		cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, make_core, NULL);
}
