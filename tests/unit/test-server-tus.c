// SPDX-License-Identifier: MIT
/*
 * tus: headers, paths, locks, and an upload on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../host-helper/server/tus-headers.h"
#include "../../host-helper/server/tus-lock.h"
#include "../../host-helper/server/tus-upload.h"
#include "test.h"

struct pairs {
	char text[512];
};

static int collect(void *context, const char *key, const char *value, size_t len)
{
	struct pairs *pairs = context;
	size_t at = strlen(pairs->text);

	snprintf(pairs->text + at, sizeof(pairs->text) - at, "%s=%s/%zu;", key, value, len);
	return 0;
}

static void test_metadata_refused(void **state)
{
	static const char *const rows[] = {
		" ",
		",",
		"a,",
		",a",
		"a YQ=",
		"a YQ",
		"a YQ==YQ==x",
		"a YQ== x",
		"a Y Q==",
		"a \tYQ==",
		"a !!!!",
		"a YQ==,a Yg==",
		"a YQ==,A Yg==",
		"a,b,a",
		"\x01 YQ==",
		"\xc3\xa4 YQ==",
		"a  YQ==",
		"a YQ==\n",
	};
	char why[TUS_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pairs pairs = { "" };

		why[0] = '\0';
		assert_int_equal(tus_metadata_for_each(rows[i], collect, &pairs, why), -EINVAL);
		assert_non_null(strstr(why, "Upload-Metadata"));
	}

	char *many = calloc(1, TUS_METADATA_MAX + 2);
	memset(many, 'a', TUS_METADATA_MAX + 1);
	assert_int_equal(tus_metadata_for_each(many, collect, NULL, why), -EINVAL);
	many[0] = '\0';
	for (int i = 0; i <= TUS_KEYS_MAX; i++)
		sprintf(many + strlen(many), "%sk%d", i ? "," : "", i);
	struct pairs pairs = { "" };
	assert_int_equal(tus_metadata_for_each(many, collect, &pairs, why), -EINVAL);
	assert_string_equal(pairs.text, "");
	free(many);
}

static void test_metadata_taken(void **state)
{
	static const struct {
		const char *header, *is;
	} rows[] = {
		{ "", "" },
		{ "a", "a=/0;" },
		{ "a ", "a=/0;" },
		{ "a YQ==,b", "a=a/1;b=/0;" },
		{ "a YQ==, filename eC56c3Q=", "a=a/1;filename=x.zst/5;" },
		{ "n AGE=", "n=/2;" },
	};
	char why[TUS_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pairs pairs = { "" };

		assert_int_equal(tus_metadata_for_each(rows[i].header, collect, &pairs, why), 0);
		assert_string_equal(pairs.text, rows[i].is);
	}
}

static void test_checksum(void **state)
{
	static const struct {
		const char *header;
		int is;
	} rows[] = {
		{ "", -EINVAL },
		{ "sha256", -EINVAL },
		{ "sha256 ", -EINVAL },
		{ "sha256 YQ==", -EINVAL },
		{ "sha256  47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", -EINVAL },
		{ "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", -EINVAL },
		{ "sha1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", -EINVAL },
		{ "SHA256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", -ENOTSUP },
		{ "md5 1B2M2Y8AsgTpgAmY7PhCfg==", -ENOTSUP },
		{ " 1B2M2Y8AsgTpgAmY7PhCfg==", -ENOTSUP },
		{ "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", 0 },
		{ "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tus_checksum checksum = { 0 };

		assert_int_equal(tus_checksum_parse(rows[i].header, &checksum), rows[i].is);
		assert_int_equal(checksum.len > 0, rows[i].is == 0);
	}
}

#define NAME "0123456789abcdef0123456789abcdef"

static void test_path(void **state)
{
	static const char *const refused[] = {
		"",
		"/",
		"/uploads/",
		"/uploads/..",
		NAME,
		"/" NAME,
		"uploads/" NAME,
		"/uploads/" NAME "0",
		"/uploads/" NAME "/",
		"/uploads/0123456789ABCDEF0123456789abcdef",
		"/uploads/../456789abcdef0123456789abcdef",
		"/uploads/%2e23456789abcdef0123456789abcdef",
	};
	char name[TUS_NAME_SIZE] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(tus_path_to_name(refused[i], name), -EINVAL);
	assert_string_equal(name, "");
	assert_int_equal(tus_path_to_name("/uploads/" NAME, name), 0);
	assert_string_equal(name, NAME);
	assert_int_equal(tus_path_to_name("/a/b/uploads/" NAME, name), 0);
}

static void test_lock(void **state)
{
	struct tus_lock first = { 0 }, second = { 0 }, other = { 0 };

	(void)state;
	assert_int_equal(tus_lock_take(&first, "a"), 0);
	assert_int_equal(tus_lock_take(&other, "b"), 0);
	assert_true(tus_lock_enter(&first));
	assert_int_equal(tus_lock_take(&second, "a"), -EBUSY);
	assert_false(tus_lock_enter(&second));
	tus_lock_leave(&first);
	assert_int_equal(tus_lock_take(&second, "a"), 0);
	assert_false(tus_lock_enter(&first));
	tus_lock_release(&first);
	assert_true(tus_lock_enter(&second));
	tus_lock_release(&second);
	assert_int_equal(tus_lock_take(&first, "a"), 0);
	tus_lock_release(&first);
	tus_lock_release(&other);
}

static uint64_t offset_of(int dirfd, const char *name)
{
	cleanup_tus_upload struct tus_upload upload;

	assert_int_equal(tus_upload_open(dirfd, name, &upload), 0);
	return upload.offset;
}

static void count_one(void *context, const struct tus_upload *upload)
{
	assert_int_equal(upload->length, 10);
	++*(int *)context;
}

static void test_upload(void **state)
{
	char path[] = "/tmp/test-tus.XXXXXX", name[TUS_NAME_SIZE];
	int count = 0;

	(void)state;
	assert_non_null(mkdtemp(path));
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tus_upload upload = { .length = 10,
				     .floor = TUS_NO_FLOOR,
				     .id = "20261121T023753.123456Z-4166-9f3c",
				     .directory = "ci",
				     .headers = json_object() };
	assert_int_equal(tus_upload_create(dirfd, &upload), 0);
	memcpy(name, upload.name, sizeof(name));
	assert_true(tus_name_is_valid(name));
	assert_int_equal(tus_upload_write(&upload, "hello", 5), 0);
	/* A server that is killed here leaves the five bytes. */
	tus_upload_close(&upload);
	assert_int_equal(offset_of(dirfd, name), 5);

	/* What a request with a checksum brought does not count until that is checked. */
	assert_int_equal(tus_upload_open(dirfd, name, &upload), 0);
	assert_string_equal(upload.directory, "ci");
	assert_int_equal(tus_upload_set_floor(&upload, 5), 0);
	assert_int_equal(tus_upload_write(&upload, "XXX", 3), 0);
	assert_int_equal(offset_of(dirfd, name), 5);
	assert_int_equal(tus_upload_cut(&upload, 5), 0);
	assert_int_equal(tus_upload_write(&upload, "!!", 2), 0);
	assert_int_equal(offset_of(dirfd, name), 7);
	assert_int_equal(tus_upload_for_each(dirfd, count_one, &count), 1);
	assert_int_equal(count, 1);
	assert_int_equal(tus_upload_remove_old(dirfd, tus_upload_changed_us(&upload), 0), 0);

	assert_int_equal(tus_upload_set_published(dirfd, &upload, ""), 0);
	tus_upload_close(&upload);
	assert_int_equal(offset_of(dirfd, name), 10);
	/* It is known, and is none that is under way. */
	assert_int_equal(tus_upload_for_each(dirfd, count_one, &count), 0);
	assert_int_equal(tus_upload_remove_old(dirfd, UINT64_MAX, 0), 0);
	assert_int_equal(offset_of(dirfd, name), 10);

	struct tus_upload none;
	assert_int_equal(tus_upload_open(dirfd, NAME, &none), -ENOENT);
	tus_upload_close(&none);
	assert_int_equal(tus_upload_open(dirfd, "../x", &none), -ENOENT);
	tus_upload_close(&none);

	/* One that was cut off while it was made. */
	assert_int_equal(mkdirat(dirfd, NAME, 0700), 0);
	assert_int_equal(tus_upload_remove_old(dirfd, UINT64_MAX, UINT64_MAX), 1);
	close(dirfd);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metadata_refused),
		cmocka_unit_test(test_metadata_taken),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
