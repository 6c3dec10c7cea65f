// SPDX-License-Identifier: MIT
/* common/digest.c: known answers, and a peer's Repr-Digest. */
#include "digest.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

/* FIPS 180-2, "abc" */
#define ABC_HEX	   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_BASE64 "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="

static void test_known_answer(void **state)
{
	struct sha256_ctx ctx;
	char hex[DIGEST_HEX_SIZE], header[DIGEST_HEADER_SIZE];
	FILE *f = tmpfile();

	(void)state;
	digest_init(&ctx);
	digest_update(&ctx, "a", 1);
	digest_update(&ctx, "bc", 2);
	digest_finish_hex(&ctx, hex);
	assert_string_equal(hex, ABC_HEX);
	assert_int_equal(digest_hex_to_header(hex, header), 0);
	assert_string_equal(header, "sha-256=:" ABC_BASE64 ":");

	fputs("abc", f);
	fflush(f);
	assert_int_equal(digest_file(fileno(f), hex), 0);
	assert_string_equal(hex, ABC_HEX);
	fclose(f);
}

static void test_header(void **state)
{
	static const struct {
		const char *header;
		int r;
	} rows[] = {
		{ "", -ENOENT },
		{ "md5=:rL0Y20zC+Fzt72VPzMSk2A==:", -ENOENT },
		{ "sha-256=:short:", -EINVAL },
		{ "sha-256=:" ABC_BASE64, -EINVAL },
		{ "sha-256=:" ABC_BASE64 "A:", -EINVAL },
		{ "sha-256=:!ngWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:", -EINVAL },
		{ "sha-256=:" ABC_BASE64 ":", 0 },
		{ "SHA-256=:" ABC_BASE64 ":", 0 },
		{ "sha-512=:AA==:, sha-256=:" ABC_BASE64 ":", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char hex[DIGEST_HEX_SIZE] = "untouched";

		assert_int_equal(digest_header_to_hex(rows[i].header, hex), rows[i].r);
		assert_string_equal(hex, rows[i].r == 0 ? ABC_HEX : "untouched");
	}
}

static void test_bad_hex(void **state)
{
	char header[DIGEST_HEADER_SIZE];

	(void)state;
	assert_int_equal(digest_hex_to_header("", header), -EINVAL);
	assert_int_equal(digest_hex_to_header(
				 "zz"
				 "7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
				 header),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answer),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_bad_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
