// SPDX-License-Identifier: MIT
/*
 * What an upload says of its core: paths, times and headers from whoever reaches the port.
 */
#include <errno.h>
#include <string.h>

#include "../../host-helper/server/receive-headers.h"
#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static void test_paths_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"/",
		"/.core",
		"/.core.zst",
		"/core",
		"/" ID,
		"/" ID ".core.zst/",
		"/" ID ".core.zst.",
		"/" ID ".core.gz",
		"/" ID ".zst",
		"/" ID ".CORE",
		"/" ID ".core.zst.core",
		"/" ID "..core",
		"/" ID "/.core",
		ID ".core",
		"/.." ID ".core",
		"/%2e%2e%2f" ID ".core",
		"/." ID ".partial.core",
		"/20261121T023753.123456Z-4166-9F3C.core",
		"/20261121T023753.123456Z-41661234567-9f3c.core",
		"/20261121T023753.123456Z-4166-9f3c00000000000000000000000000000.core",
		"/ " ID ".core",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[CRASH_ID_SIZE] = "untouched";
		bool zst;

		assert_int_equal(receive_path_to_id(rows[i], id, &zst), -EINVAL);
		assert_string_equal(id, "untouched");
	}
}

static void test_paths_taken(void **state)
{
	static const struct {
		const char *path;
		bool zst;
	} rows[] = {
		{ "/" ID ".core.zst", true },
		{ "/" ID ".core", false },
		{ "/a/b%20c/../" ID ".core.zst", true },
		{ "//" ID ".core", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char id[CRASH_ID_SIZE];
		bool zst = !rows[i].zst;

		assert_int_equal(receive_path_to_id(rows[i].path, id, &zst), 0);
		assert_string_equal(id, ID);
		assert_int_equal(zst, rows[i].zst);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t us; /* 0: refused */
	} rows[] = {
		{ "", 0 },
		{ "0", 0 },
		{ "1795239573", 0 },
		{ "2026-11-21", 0 },
		{ "2026-11-21T02:37:53", 0 },
		{ "2026-11-21T02:37:53z", 0 },
		{ "2026-11-21 02:37:53Z", 0 },
		{ "2026-11-21T02:37:53+00:00", 0 },
		{ "2026-11-21T02:37:53.Z", 0 },
		{ "2026-11-21T02:37:53.1234567890Z", 0 },
		{ "2026-11-21T02:37:53.12 Z", 0 },
		{ "2026-11-21T02:37:53Z ", 0 },
		{ "2026-1-21T02:37:53Z", 0 },
		{ "2026-11-21T24:00:00Z", 0 },
		{ "2026-11-21T02:60:00Z", 0 },
		{ "2026-11-21T02:37:60Z", 0 },
		{ "2026-02-29T00:00:00Z", 0 },
		{ "2026-00-10T00:00:00Z", 0 },
		{ "2026-13-10T00:00:00Z", 0 },
		{ "2026-10-00T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59Z", 0 },
		{ "-026-11-21T02:37:53Z", 0 },
		{ "1970-01-01T00:00:01Z", 1000000 },
		{ "2026-11-21T02:37:53Z", 1795228673000000 },
		{ "2026-11-21T02:37:53.5Z", 1795228673500000 },
		{ "2026-11-21T02:37:53.123456Z", 1795228673123456 },
		{ "2026-11-21T02:37:53.123456789Z", 1795228673123456 },
		{ "2028-02-29T00:00:00Z", 1835395200000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t us = 7;

		assert_int_equal(receive_parse_time(rows[i].text, &us), rows[i].us ? 0 : -EINVAL);
		assert_int_equal(us, rows[i].us ? rows[i].us : 7);
	}
}

static int take_one(const char *name, const char *value, char why[RECEIVE_WHY_SIZE])
{
	cleanup_receive_headers struct receive_headers headers;

	assert_int_equal(receive_headers_init(&headers, ID), 0);
	return receive_headers_take(&headers, name, value, why);
}

static void test_values_refused(void **state)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "X-Executable-Path", "/a%" },
		{ "X-Executable-Path", "/a%4" },
		{ "X-Executable-Path", "/a%zz" },
		{ "X-Executable-Path", "/a%00b" },
		{ "X-Core-Comm", "%" },
		{ "X-Core-Id", "" },
		{ "X-Core-Id", "20261121T023753.123456Z-4166-9f3d" },
		{ "X-Core-Pid", "" },
		{ "X-Core-Pid", "-1" },
		{ "X-Core-Pid", "1x" },
		{ "X-Core-Pid", "2147483648" },
		{ "X-Core-Uid", "4294967296" },
		{ "X-Core-Gid", "root" },
		{ "X-Core-Signal", "128" },
		{ "X-Core-Signal", "SIGSEGV" },
		{ "X-Core-Size", "-1" },
		{ "X-Core-Size", "9223372036854775808" },
		{ "X-Core-Size", "1K" },
		{ "X-Core-Timestamp", "yesterday" },
		{ "X-Core-Sha256", "" },
		{ "X-Core-Sha256", "abc" },
		{ "X-Core-Sha256",
		  "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg" },
		{ "X-Core-Outcome", "refused" },
		{ "X-Core-Outcome", "STORED" },
		{ "Repr-Digest", "sha-256=::" },
		{ "Repr-Digest", "sha-256=:!!!!:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[RECEIVE_WHY_SIZE] = "";

		assert_int_equal(take_one(rows[i].name, rows[i].value, why), -EINVAL);
		/* The answer names the header, and nothing of its value. */
		assert_memory_equal(why, rows[i].name, strlen(rows[i].name));
	}
}

static void test_values_taken(void **state)
{
	cleanup_receive_headers struct receive_headers h;
	char why[RECEIVE_WHY_SIZE];
	static const char *const rows[][2] = {
		{ "Host", "\xff\x01%" },
		{ "x-executable-path", "/usr/bin/osmo-%0d%0aX%25" },
		{ "X-CORE-ID", ID },
		{ "X-Core-Pid", "7" },
		{ "X-Core-Uid", "4294967295" },
		{ "X-Core-Gid", "0" },
		{ "X-Core-Signal", "11" },
		{ "X-Core-Timestamp", "1970-01-01T00:00:01Z" },
		{ "X-Core-Comm", "a%20b" },
		{ "X-Core-Hostname", "h" },
		{ "X-Core-Container", "web" },
		{ "X-Core-Size", "4096" },
		{ "X-Core-Sha256",
		  "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855" },
		{ "X-Core-Outcome", "truncated" },
		{ "Repr-Digest",
		  "sha-512=:x:, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:" },
	};

	(void)state;
	assert_int_equal(receive_headers_init(&h, ID), 0);
	assert_int_equal(h.crash.time_us, 1795228673123456);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(receive_headers_take(&h, rows[i][0], rows[i][1], why), 0);
	assert_string_equal(h.crash.exe, "/usr/bin/osmo-\r\nX%");
	assert_string_equal(h.crash.comm, "a b");
	assert_string_equal(h.crash.container_name, "web");
	assert_int_equal(h.crash.uid, UINT32_MAX);
	assert_int_equal(h.crash.signal, 11);
	assert_int_equal(h.crash.time_us, 1000000);
	assert_int_equal(h.crash.outcome, CRASH_TRUNCATED);
	assert_int_equal(h.size, 4096);
	assert_string_equal(h.raw_sha256, h.body_sha256);

	/* Two of one kind: which of them would another reader have taken? */
	for (size_t i = 1; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(receive_headers_take(&h, rows[i][0], rows[i][1], why), -EINVAL);
}

static void test_container_id(void **state)
{
	cleanup_receive_headers struct receive_headers h;
	char why[RECEIVE_WHY_SIZE], id[65];

	(void)state;
	memset(id, 'a', 64);
	id[64] = '\0';
	assert_int_equal(receive_headers_init(&h, ID), 0);
	assert_int_equal(receive_headers_take(&h, "X-Core-Container", id, why), 0);
	assert_string_equal(h.crash.container_id, id);
	assert_null(h.crash.container_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_refused), cmocka_unit_test(test_paths_taken),
		cmocka_unit_test(test_times),	      cmocka_unit_test(test_values_refused),
		cmocka_unit_test(test_values_taken),  cmocka_unit_test(test_container_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
