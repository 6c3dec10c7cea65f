// SPDX-License-Identifier: MIT
/* container-agent/http-answer.c: what a server answered, hostile ones first. */
#include "../../container-agent/http-answer.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

#define SHA_OF_HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static bool take(struct http_answer *a, const char *line)
{
	return http_answer_take_header(a, line, strlen(line));
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {
		"-1", "+1", "1x", "0x10", "", "1,2", "1 2", "1e3", "99999999999999999999", "\xff"
	};
	struct http_answer a;
	char line[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		http_answer_init(&a);
		snprintf(line, sizeof(line), "Upload-Offset: %s\r\n", bad[i]);
		assert_true(take(&a, line));
		assert_int_equal(a.upload_offset.state, HTTP_NUMBER_BAD);
	}
	http_answer_init(&a);
	assert_int_equal(a.upload_offset.state, HTTP_NUMBER_MISSING);
	assert_true(take(&a, "upload-OFFSET:17  \r\n") && take(&a, "Upload-Offset: 17"));
	assert_int_equal(a.upload_offset.state, HTTP_NUMBER_GOOD);
	assert_int_equal(a.upload_offset.value, 17);
	assert_true(take(&a, "Upload-Offset: 18\r\n"));
	assert_int_equal(a.upload_offset.state, HTTP_NUMBER_BAD);
	/* A NUL in a line is no end of it. */
	http_answer_init(&a);
	assert_true(http_answer_take_header(&a, "Upload-Offset: 1\0007\r\n", 20));
	assert_int_equal(a.upload_offset.state, HTTP_NUMBER_MISSING);
}

static void test_bounds(void **state)
{
	static char line[20000];
	struct http_answer a;
	size_t count = 0;

	(void)state;
	http_answer_init(&a);
	memset(line, 'a', sizeof(line) - 1);
	memcpy(line, "Location: ", 10);
	assert_true(take(&a, line)); /* too long for a URL: as if it were not there */
	assert_string_equal(a.location, "");
	/* Interim answers without end count as one. */
	while (take(&a, "HTTP/1.1 103 Early Hints\r\n"))
		count++;
	assert_true(count > 100 && count < HTTP_ANSWER_HEADERS_MAX / 20);
	http_answer_init(&a);
	for (count = 0; http_answer_take_body(&a, line, sizeof(line)); count++)
		;
	assert_int_equal(count, HTTP_ANSWER_BODY_MAX / sizeof(line));
	assert_int_equal(strlen(a.text), HTTP_ANSWER_TEXT_MAX);
}

static void test_tus(void **state)
{
	struct http_answer a;

	(void)state;
	http_answer_init(&a);
	assert_true(take(&a, "Tus-Resumable: 1.0.01\r\n") &&
		    take(&a, "Tus-Version: 0.2.2,1.0\r\n"));
	assert_true(take(&a, "Tus-Extension: creation-with-upload,not-termination\r\n"));
	assert_false(a.is_tus || a.can_create || a.can_terminate);
	assert_true(take(&a, "Tus-Version: 0.2.2, 1.0.0\r\n"));
	assert_true(take(&a, "Tus-Extension: termination , creation\r\n"));
	assert_true(a.is_tus && a.can_create && a.can_terminate);
	/* What an interim answer said is forgotten. */
	assert_true(take(&a, "HTTP/2 200 \r\n"));
	assert_false(a.is_tus || a.can_create);
}

static void test_digests(void **state)
{
	struct http_answer a;

	(void)state;
	http_answer_init(&a);
	assert_true(take(&a, "Repr-Digest: sha-256=:AAAA:\r\n"));
	assert_string_equal(a.repr_digest, "");
	assert_true(take(&a, "Repr-Digest: sha-512=:x:, "
			     "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:\r\n"));
	assert_string_equal(a.repr_digest, SHA_OF_HELLO);
	assert_true(http_answer_take_body(&a, "hello", 5));
	assert_true(http_answer_is_of_body(&a));
	http_answer_init(&a);
	snprintf(a.repr_digest, sizeof(a.repr_digest), "%s", SHA_OF_HELLO);
	assert_true(http_answer_take_body(&a, "hallo", 5));
	assert_false(http_answer_is_of_body(&a));
}

static void test_text(void **state)
{
	struct http_answer a;

	(void)state;
	http_answer_init(&a);
	assert_true(http_answer_take_body(&a, "no ro", 5) &&
		    http_answer_take_body(&a, "om\r\nx", 5) &&
		    http_answer_take_body(&a, "second line", 11));
	assert_string_equal(a.text, "no room");
	http_answer_init(&a);
	assert_true(take(&a, "Location: /a\r\n") && take(&a, "Location: /b\r\n") &&
		    take(&a, "Content-Location: /c\r\n") && take(&a, "Content-Encoding: gzip") &&
		    take(&a, "no header") && take(&a, ": x") && take(&a, ""));
	assert_string_equal(a.location, "/a");
	assert_true(a.is_encoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_tus),	cmocka_unit_test(test_digests),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
