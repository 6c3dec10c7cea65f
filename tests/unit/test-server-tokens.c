// SPDX-License-Identifier: MIT
/*
 * Bearer tokens: the file as an operator writes it, and what requests say.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../host-helper/server/tokens.h"
#include "test.h"

/* printf %s correct-horse-battery | sha256sum; the other of "another-token-of-ours" */
#define SECRET	"correct-horse-battery"
#define DIGEST	"62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d"
#define SECRET2 "another-token-of-ours"
#define DIGEST2 "b79de88559e84013e76a2e088766c44824e2a2bd091c29208ece88c23f681416"

static struct tokens *parse(const char *text, char error[TOKENS_ERROR_SIZE])
{
	struct tokens *tokens = NULL;
	char *copy = strdup(text);
	int r = tokens_parse("f", copy, &tokens, error);

	assert_true(r == 0 || r == -EINVAL);
	assert_int_equal(r == 0, tokens != NULL);
	free(copy);
	return tokens;
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"a",
		"a read",
		"a read " SECRET,
		"a read 123",
		"a read " DIGEST "0",
		"a read g6bbe74d6a0b58bfce64cb87353f2c36f12d9ba2ad7c40d1e0e71c6d0f5f1b7a",
		"a write " DIGEST,
		"a read,, " DIGEST,
		"a READ " DIGEST,
		"a read,upload, " DIGEST,
		"a/b read " DIGEST,
		".a read " DIGEST,
		"\xc3\xa4 read " DIGEST,
		"a123456789012345678901234567890123 read " DIGEST,
		"a upload " DIGEST " ..",
		"a upload " DIGEST " .uploads",
		"a upload " DIGEST " x/y",
		"a upload " DIGEST " /x",
		"a upload " DIGEST " -x",
		"a upload " DIGEST " x y",
		"a upload " DIGEST "\nb read " DIGEST,
		"a upload " DIGEST "\na read " DIGEST2,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char error[TOKENS_ERROR_SIZE] = "";

		assert_null(parse(rows[i], error));
		assert_true(strncmp(error, "f:", 2) == 0);
		/* A secret that somebody put there by mistake does not come out in the log. */
		assert_null(strstr(error, "horse"));
	}
}

static void test_taken(void **state)
{
	char error[TOKENS_ERROR_SIZE] = "";
	struct tokens *tokens = parse("# ours\n\n  ci\tupload,read  " DIGEST "\tjobs-1 \r\n"
				      "admin read,delete " DIGEST2,
				      error);

	(void)state;
	assert_non_null(tokens);
	assert_int_equal(tokens->count, 2);
	assert_string_equal(tokens->list[0].name, "ci");
	assert_string_equal(tokens->list[0].directory, "jobs-1");
	assert_int_equal(tokens->list[0].rights, TOKEN_READ | TOKEN_UPLOAD);
	assert_string_equal(tokens->list[1].directory, "");
	assert_int_equal(tokens->list[1].rights, TOKEN_READ | TOKEN_DELETE);
	tokens_free(&tokens);
	assert_null(tokens);

	tokens = parse("", error);
	assert_int_equal(tokens->count, 0);
	assert_null(tokens_find(tokens, "Bearer " SECRET));
	tokens_free(&tokens);
}

static void test_found(void **state)
{
	static const char *const refused[] = {
		NULL,
		"",
		"Bearer",
		"Bearer ",
		"Bearer x",
		"Bearer" SECRET,
		"Basic " SECRET,
		SECRET,
		"Bearer " SECRET " ",
		"Bearer " SECRET "x",
		"Bearer Correct-horse-battery",
		"Bearer " DIGEST,
		"Bearer\t" SECRET,
	};
	char error[TOKENS_ERROR_SIZE] = "";
	struct tokens *tokens = parse("a read " DIGEST "\nb read " DIGEST2, error);

	(void)state;
	assert_non_null(tokens);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_null(tokens_find(tokens, refused[i]));
	assert_string_equal(tokens_find(tokens, "Bearer " SECRET)->name, "a");
	assert_string_equal(tokens_find(tokens, "bearer  " SECRET2)->name, "b");
	assert_null(tokens_find(NULL, "Bearer " SECRET));
	tokens_free(&tokens);
}

static void test_file(void **state)
{
	static const mode_t refused[] = { 0644, 0604, 0660, 0602, 0777 };
	char path[] = "/tmp/test-tokens.XXXXXX", error[TOKENS_ERROR_SIZE] = "";
	struct tokens *tokens = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(dprintf(fd, "a read %s\n", DIGEST), sizeof(DIGEST) + 7);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		assert_int_equal(fchmod(fd, refused[i]), 0);
		assert_int_equal(tokens_load(path, &tokens, error), -EPERM);
		assert_non_null(strstr(error, "0640"));
	}
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(tokens_load(path, &tokens, error), 0);
	assert_int_equal(tokens->count, 1);
	tokens_free(&tokens);
	assert_int_equal(ftruncate(fd, TOKENS_FILE_MAX + 1), 0);
	assert_int_equal(tokens_load(path, &tokens, error), -EFBIG);
	close(fd);
	unlink(path);
	assert_int_equal(tokens_load(path, &tokens, error), -ENOENT);
	assert_int_equal(tokens_load("/tmp", &tokens, error), -EPERM);
	assert_null(tokens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
