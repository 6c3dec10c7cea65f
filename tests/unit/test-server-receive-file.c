// SPDX-License-Identifier: MIT
/*
 * An upload's body on its way into a file: what is refused, and that what is taken comes out whole,
 * however it is cut up on the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "../../host-helper/server/limits.h"
#include "../../host-helper/server/receive-file.h"
#include "fd.h"
#include "test.h"

/* A skippable frame, as the table of the seekable format is one. */
static const char table[] = { '\x5e', '\x2a', '\x4d', '\x18', 4, 0, 0, 0, 'a', 'b', 'c', 'd' };
#define TABLE_LEN sizeof(table)

/* The buffer of the unpacker is 128 KiB: sizes around it have tripped it. */
#define BIG ((size_t)512 << 10)

static int new_file(void)
{
	char path[] = "/tmp/coreferry-test-XXXXXX";
	int fd = mkostemp(path, 0);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* Gives the body in pieces. The first error, or what the end says. */
static int feed(int fd, bool zst, uint64_t raw_max, const char *body, size_t len, size_t piece,
		struct receive_result *result)
{
	struct receive_file *f = NULL;
	int r = receive_file_new(fd, zst, raw_max, &f);

	for (size_t at = 0; at < len && r == 0;) {
		size_t now = len - at < piece ? len - at : piece, left = now;

		r = receive_file_take(f, body + at, &left);
		assert_true(r < 0 || left < now);
		at += now - left;
	}
	if (r == 0)
		r = receive_file_finish(f, result);
	receive_file_free(&f);
	return r;
}

static size_t compress(const char *raw, size_t len, char **ret_body)
{
	size_t size = ZSTD_compressBound(len) + TABLE_LEN;
	char *body = malloc(size);
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	assert_non_null(body);
	assert_non_null(cctx);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
	size_t n = ZSTD_compress2(cctx, body, size, raw, len);
	ZSTD_freeCCtx(cctx);
	assert_false(ZSTD_isError(n));
	memcpy(body + n, table, TABLE_LEN);
	*ret_body = body;
	return n + TABLE_LEN;
}

/* Data, a hole, data at an odd place, a hole at the end. */
static char *make_core(size_t len)
{
	char *raw = calloc(1, len);

	assert_non_null(raw);
	for (size_t i = 0; i < len / 3; i++)
		raw[i] = (char)(i * 2654435761U >> 16);
	raw[len / 2 + 7] = 'x';
	return raw;
}

static void check_file(int fd, const char *raw, size_t len)
{
	cleanup_free char *back = malloc(len);
	struct stat st;

	assert_non_null(back);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, len);
	assert_int_equal(fd_pread_all(fd, back, len, 0), 0);
	assert_memory_equal(back, raw, len);
}

static void test_refused(void **state)
{
	cleanup_free char *raw = make_core(BIG), *body = NULL;
	size_t len = compress(raw, BIG, &body);
	struct receive_result result;
	const struct {
		const char *body;
		size_t len;
		bool zst;
		uint64_t raw_max;
		int error;
	} rows[] = {
		{ "", 0, true, BIG, -ENODATA },
		{ "", 0, false, BIG, -ENODATA },
		{ table, TABLE_LEN, true, BIG, -ENODATA },
		{ table, TABLE_LEN - 1, true, BIG, -EBADMSG },
		{ "(", 1, true, BIG, -EBADMSG },
		{ "\x7f"
		  "ELF",
		  4, true, BIG, -EBADMSG },
		{ raw, BIG, true, BIG, -EBADMSG },
		{ body, len - 1, true, BIG, -EBADMSG },
		{ body, len - TABLE_LEN - 1, true, BIG, -EBADMSG },
		{ body, len / 2, true, BIG, -EBADMSG },
		{ body, len, true, BIG - 1, -EMSGSIZE },
		{ body, len, true, 0, -EMSGSIZE },
		{ raw, BIG, false, BIG - 1, -EMSGSIZE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t piece = 1000; piece <= BIG; piece += BIG - 1000) {
			cleanup_fd int fd = new_file();

			assert_int_equal(feed(fd, rows[i].zst, rows[i].raw_max, rows[i].body,
					      rows[i].len, piece, &result),
					 rows[i].error);
		}

	/* The frame's checksum tells. */
	body[len / 3] ^= 0x55;
	assert_int_equal(feed(-1, true, BIG, body, len, len, &result), -EBADMSG);
}

static void test_window_refused(void **state)
{
	ZSTD_CCtx *cctx = ZSTD_createCCtx();
	char body[256], raw[100] = "x";
	struct receive_result result;
	ZSTD_inBuffer in = { raw, sizeof(raw), 0 };
	ZSTD_outBuffer out = { body, sizeof(body), 0 };

	(void)state;
	assert_non_null(cctx);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_windowLog, LIMIT_WINDOW_LOG + 1);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_contentSizeFlag, 0);
	/* Without knowing the end, it asks for the whole window. */
	assert_false(ZSTD_isError(ZSTD_compressStream2(cctx, &out, &in, ZSTD_e_flush)));
	assert_int_equal(ZSTD_compressStream2(cctx, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(cctx);
	assert_int_equal(feed(-1, true, BIG, body, out.pos, out.pos, &result), -EOVERFLOW);
}

static void test_taken(void **state)
{
	static const size_t sizes[] = { 1,	4095,	4096,	4097,	131071,
					131072, 131073, 262144, 300000, BIG };
	static const size_t pieces[] = { 7, 4096, 131072, BIG * 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t j = 0; j < 2 * ARRAY_SIZE(pieces); j++) {
			cleanup_fd int fd = new_file();
			cleanup_free char *raw = make_core(sizes[i] + 16), *body = NULL;
			size_t size = sizes[i], len = compress(raw, size, &body);
			bool zst = j % 2;
			struct receive_result result;

			assert_int_equal(feed(fd, zst, size, zst ? body : raw, zst ? len : size,
					      pieces[j / 2], &result),
					 0);
			assert_int_equal(result.raw_size, size);
			assert_int_equal(result.body_size, zst ? len : size);
			assert_int_equal(strcmp(result.body_sha256, result.raw_sha256) == 0, !zst);
			check_file(fd, raw, size);
		}
}

static void test_holes_take_no_space(void **state)
{
	cleanup_fd int fd = new_file();
	size_t size = 64U << 20;
	cleanup_free char *raw = calloc(1, size), *body = NULL;
	size_t len = compress(raw, size, &body);
	struct receive_result result;
	struct stat st;

	(void)state;
	assert_int_equal(feed(fd, true, size, body, len, len, &result), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 128);
}

/* What unpacks to a lot is taken in turns, so that others have theirs. */
static void test_turns(void **state)
{
	struct receive_file *f = NULL;
	size_t size = 256U << 20;
	cleanup_free char *raw = calloc(1, size), *body = NULL;
	size_t len = compress(raw, size, &body), left = len;

	(void)state;
	assert_int_equal(receive_file_new(-1, true, size, &f), 0);
	assert_int_equal(receive_file_take(f, body, &left), 0);
	assert_true(left > 0 && left < len);
	receive_file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_window_refused),
		cmocka_unit_test(test_taken),	cmocka_unit_test(test_holes_take_no_space),
		cmocka_unit_test(test_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
