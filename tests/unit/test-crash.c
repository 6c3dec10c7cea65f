// SPDX-License-Identifier: MIT
/* common/crash.c, crash-id.c: a record comes back as it was, and a hostile one is refused. */
#include "crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define ID "20261121T023753.123456Z-4166-9f3c"

static void test_id(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		"../" ID,
		ID "/",
		ID "x",
		"20261121T023753.123456Z-4166-9f3",
		"20261121T023753.123456Z-4166-9F3C",
		"20261121T023753.123456Z--9f3c",
		"20261121T023753.123456Z-12345678901-9f3c",
		"2026112xT023753.123456Z-1-9f3c",
		"20261121T023753,123456Z-4166-9f3c",
		"20261121T023753.123456Z-4166-9f3c\n",
	};
	char id[CRASH_ID_SIZE], text[32];

	(void)state;
	assert_int_equal(crash_id_format(1795228673123456ULL, 4166, 0x9f3c, id), 0);
	assert_string_equal(id, ID);
	assert_true(crash_id_is_valid(id));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(crash_id_is_valid(bad[i]));
	assert_int_equal(crash_time_format(1795228673123456ULL, text), 0);
	assert_string_equal(text, "2026-11-21T02:37:53.123456Z");
	assert_int_equal(crash_time_format(UINT64_MAX, text), -ERANGE);
}

static void test_id_parse(void **state)
{
	static const char *const bad[] = {
		"",
		ID "x",
		"20261321T023753.123456Z-4166-9f3c",
		"20260231T023753.123456Z-4166-9f3c",
		"20261121T243753.123456Z-4166-9f3c",
		"19691231T235959.999999Z-4166-9f3c",
		"20261121T023753.123456Z-04166-9f3c",
		"20261121T023753.123456Z-4294967296-9f3c",
	};
	uint64_t time_us = 7;
	uint32_t pid = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(crash_id_parse(bad[i], &time_us, &pid), -EINVAL);
	assert_int_equal(time_us, 7);
	assert_int_equal(pid, 7);
	assert_int_equal(crash_id_parse(ID, &time_us, &pid), 0);
	assert_int_equal(time_us, 1795228673123456ULL);
	assert_int_equal(pid, 4166);
	assert_int_equal(crash_id_parse("99991231T235959.999999Z-4294967295-0000", &time_us, &pid),
			 0);
	assert_int_equal(time_us, 253402300799999999ULL);
	assert_int_equal(pid, UINT32_MAX);
}

/* The same program, signal and page: the same signature, wherever it crashed.  The values are those
 * of sha256sum(1). */
static void test_signature(void **state)
{
	static const struct {
		const char *exe;
		uint32_t signal;
		bool has_address;
		uint64_t address;
		const char *signature;
	} rows[] = {
		{ NULL, 0, false, 0, "f78b037f6d1ecfc5" },
		{ "/usr/bin/osmo-bsc", 11, true, 0, "188a6d1c74c14888" },
	};
	struct crash a, b;

	(void)state;
	crash_init(&a);
	crash_init(&b);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		crash_set_string(&a.exe, rows[i].exe);
		a.signal = rows[i].signal;
		a.has_fault_address = rows[i].has_address;
		a.fault_address = rows[i].address;
		crash_set_signature(&a);
		assert_string_equal(a.signature, rows[i].signature);
	}
	crash_set_string(&b.exe, "/usr/bin/osmo-bsc");
	b.signal = 11;
	b.pid = 12;
	b.has_fault_address = true;
	b.fault_address = 0xfff;
	crash_set_signature(&b);
	assert_string_equal(a.signature, b.signature);
	b.fault_address = 0x1000;
	crash_set_signature(&b);
	assert_string_not_equal(a.signature, b.signature);
	/* No address is another one than address 0, and no text can look like a number. */
	b.has_fault_address = false;
	crash_set_signature(&b);
	assert_string_not_equal(a.signature, b.signature);
	crash_set_string(&b.exe, "/usr/bin/osmo-bsc1");
	b.signal = 1;
	crash_set_signature(&b);
	assert_string_not_equal(a.signature, b.signature);
	crash_release(&a);
	crash_release(&b);
}

static void test_removed_core(void **state)
{
	static const char old[] = "{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\"}";
	struct crash a, b;
	char *text;

	(void)state;
	crash_init(&a);
	strcpy(a.id, ID);
	a.has_fault_address = true;
	a.fault_address = UINT64_MAX;
	a.core_size = 123;
	memset(a.core_sha256, 'b', 64);
	crash_set_string(&a.exe, "/bin/true");
	crash_set_string(&a.core_removed, "max_use\n");
	crash_set_signature(&a);
	assert_int_equal(crash_to_json(&a, &text), 0);
	assert_int_equal(crash_from_json(text, strlen(text), &b), 0);
	free(text);
	assert_null(b.core_file);
	assert_string_equal(b.core_removed, "max_use\n");
	assert_int_equal(b.core_size, 123);
	assert_string_equal(b.core_sha256, a.core_sha256);
	assert_true(b.has_fault_address);
	assert_true(b.fault_address == UINT64_MAX);
	assert_string_equal(b.signature, a.signature);
	crash_release(&a);
	crash_release(&b);

	assert_int_equal(crash_from_json(old, strlen(old), &b), 0);
	assert_null(b.core_removed);
	assert_false(b.has_fault_address);
	assert_string_equal(b.signature, "");
	crash_release(&b);
}

static void test_round_trip(void **state)
{
	struct crash a, b;
	char *text, **cmdline = calloc(3, sizeof(char *));

	(void)state;
	crash_init(&a);
	strcpy(a.id, ID);
	a.time_us = 1795228673123456ULL;
	a.pid = 4166;
	a.uid = 1000;
	a.signal = 11;
	a.rlimit_core = UINT64_MAX;
	a.outcome = CRASH_TRUNCATED;
	a.held_us = 1234567;
	a.delegation = CRASH_DELEGATION_FAILED;
	a.exit_status = 75;
	memset(a.stored_sha256, 'a', 64);
	cmdline[0] = strdup("osmo\r\n\x1b\xff\"\\");
	cmdline[1] = strdup("");
	a.cmdline = cmdline;
	crash_set_string(&a.comm, ") R 1 (");
	crash_set_string(&a.exe, "/tmp/\r\nX-Evil: 1");
	crash_set_string(&a.core_file, "core.zst");
	crash_set_string(&a.output, "<script>\x01");
	crash_set_string(&a.container_image, "evil\x1b[31m:latest");
	crash_set_string(&a.container_lookup, "no answer");
	crash_set_string(&a.pod, "web-0");
	a.container_owner = 1000;
	addresses_read_fib_trie("|-- 10.0.3.5\n/32 host LOCAL\n", &a.addresses);
	addresses_read_if_inet6("fd000000000000000000000000000002 04 40 00 82 eth0\n",
				&a.addresses);
	addresses_add_link(&a.addresses, 17);
	a.container_labels.left_out = 3;
	container_labels_add(&a.container_labels, "a\"\n\x1b", "\xff\\x41");
	container_labels_add(&a.container_labels, "runtime", "");

	assert_int_equal(crash_to_json(&a, &text), 0);
	assert_int_equal(crash_from_json(text, strlen(text), &b), 0);
	assert_string_equal(b.id, a.id);
	assert_int_equal(b.time_us, a.time_us);
	assert_int_equal(b.rlimit_core, UINT64_MAX);
	assert_int_equal(b.outcome, CRASH_TRUNCATED);
	assert_int_equal(b.held_us, a.held_us);
	assert_int_equal(b.delegation, CRASH_DELEGATION_FAILED);
	assert_int_equal(b.exit_status, 75);
	assert_int_equal(b.term_signal, 0);
	assert_false(b.root_only);
	assert_string_equal(b.cmdline[0], a.cmdline[0]);
	assert_string_equal(b.cmdline[1], "");
	assert_null(b.cmdline[2]);
	assert_string_equal(b.comm, a.comm);
	assert_string_equal(b.exe, a.exe);
	assert_string_equal(b.output, a.output);
	assert_string_equal(b.stored_sha256, a.stored_sha256);
	assert_null(b.hostname);
	assert_string_equal(b.container_image, a.container_image);
	assert_string_equal(b.container_lookup, "no answer");
	assert_string_equal(b.pod, "web-0");
	assert_int_equal(b.container_owner, 1000);
	assert_memory_equal(&a.addresses, &b.addresses, sizeof(a.addresses));
	assert_int_equal(b.container_labels.left_out, 3);
	assert_int_equal(b.container_labels.count, 2);
	assert_string_equal(container_labels_get(&b.container_labels, "a\"\n\x1b"), "\xff\\x41");
	assert_string_equal(container_labels_get(&b.container_labels, "runtime"), "");
	assert_null(b.container_runtime);
	free(text);
	crash_release(&a);
	crash_release(&b);
}

/* The first attempt and the last ones are kept, and come back as they were. */
static void test_attempts(void **state)
{
	struct crash a, b;
	char *text;

	(void)state;
	crash_init(&a);
	strcpy(a.id, ID);
	a.delegation = CRASH_DELEGATION_WAITING;
	a.next_attempt_us = 1795228673123456ULL;
	for (unsigned i = 1; i <= 100; i++) {
		struct crash_attempt *one = crash_attempts_add(&a.attempts, i);

		assert_ptr_equal(one, crash_attempts_last(&a.attempts));
		assert_true(one->is_under_way);
		one->is_under_way = i == 100;
		one->sent = 1000ULL * i;
		one->status = i;
		one->exit_status = i == 100 ? -1 : 75;
		crash_set_string(&one->url, "http://\x1b/");
		crash_set_string(&one->reason, i == 1 ? "cut\noff" : NULL);
	}
	assert_int_equal(crash_to_json(&a, &text), 0);
	assert_int_equal(crash_from_json(text, strlen(text), &b), 0);
	free(text);
	assert_int_equal(b.delegation, CRASH_DELEGATION_WAITING);
	assert_int_equal(b.next_attempt_us, a.next_attempt_us);
	assert_int_equal(b.attempts.count, 100);
	assert_int_equal(b.attempts.kept, CRASH_ATTEMPTS_MAX);
	assert_int_equal(b.attempts.items[0].number, 1);
	assert_string_equal(b.attempts.items[0].reason, "cut\noff");
	assert_string_equal(b.attempts.items[0].url, "http://\x1b/");
	for (unsigned i = 1; i < CRASH_ATTEMPTS_MAX; i++) {
		const struct crash_attempt *one = &b.attempts.items[i];

		assert_int_equal(one->number, 100 - CRASH_ATTEMPTS_MAX + 1 + i);
		assert_int_equal(one->time_us, one->number);
		assert_int_equal(one->sent, 1000ULL * one->number);
		assert_int_equal(one->status, one->number);
		assert_int_equal(one->exit_status, one->number == 100 ? -1 : 75);
		assert_int_equal(one->is_under_way, one->number == 100);
		assert_null(one->reason);
	}
	crash_release(&a);
	crash_release(&b);
}

/* What others wrote there is not trusted to be ours. */
static void test_hostile_attempts(void **state)
{
	static const char head[] = "{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\","
				   "\"delegation\":{\"status\":\"delivered\",\"attempt_count\":-3,"
				   "\"attempts\":[7,null,{\"number\":\"x\",\"url\":3}";
	char text[4096] = "";
	struct crash c;

	(void)state;
	strcpy(text, head);
	for (int i = 0; i < 100; i++)
		strcat(text, ",{\"exit_status\":4294967295}");
	strcat(text, "]}}");
	assert_int_equal(crash_from_json(text, strlen(text), &c), 0);
	assert_int_equal(c.delegation, CRASH_DELEGATION_NONE);
	assert_int_equal(c.attempts.kept, CRASH_ATTEMPTS_MAX);
	assert_int_equal(c.attempts.count, CRASH_ATTEMPTS_MAX);
	assert_int_equal(c.attempts.items[0].exit_status, -1);
	assert_int_equal(c.attempts.items[31].exit_status, 255);
	crash_release(&c);
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"{",
		"{}",
		"{\"version\":1,\"id\":\"../../etc/passwd\",\"outcome\":\"stored\"}",
		"{\"version\":1,\"id\":\"" ID "\"}",
		"{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"great\"}",
		"{\"version\":2,\"id\":\"" ID "\",\"outcome\":\"stored\"}",
		"{\"version\":1,\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\"}",
		"{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\","
		"\"core\":{\"file\":\"../../../etc/shadow\"}}",
		"{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\",\"comm\":\"\xff\"}",
	};
	struct crash crash;

	(void)state;
	crash_init(&crash);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(crash_from_json(rows[i], strlen(rows[i]), &crash), -EINVAL);
}

/* A record that does not say whether it may leave the host, may not. */
static void test_doubt_is_root_only(void **state)
{
	static const char text[] = "{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\"}";
	struct crash crash;

	(void)state;
	assert_int_equal(crash_from_json(text, strlen(text), &crash), 0);
	assert_true(crash.root_only);
	assert_int_equal(crash.exit_status, -1);
	crash_release(&crash);
}

/* Values of other types and sizes are "not known", never an overflow. */
static void test_odd_values(void **state)
{
	static const char text[] =
		"{\"version\":1,\"id\":\"" ID "\",\"outcome\":\"stored\",\"pid\":-1,\"uid\":\"x\","
		"\"signal\":4294967296,\"cmdline\":[1,null],\"capture\":{\"held_ms\":1e300},"
		"\"core\":{\"sha256\":\"zz\"},\"root_only\":false,\"fault_address\":\"1000\","
		"\"signature\":\"0123456789abcdeg\",\"core_removed\":true}";
	struct crash crash;

	(void)state;
	assert_int_equal(crash_from_json(text, strlen(text), &crash), 0);
	assert_int_equal(crash.pid, 0);
	assert_int_equal(crash.uid, 0);
	assert_int_equal(crash.signal, 0);
	assert_int_equal(crash.held_us, 0);
	assert_string_equal(crash.stored_sha256, "");
	assert_string_equal(crash.cmdline[0], "");
	assert_false(crash.has_fault_address);
	assert_string_equal(crash.signature, "");
	assert_null(crash.core_removed);
	crash_release(&crash);
}

static void test_signal_names(void **state)
{
	(void)state;
	assert_string_equal(crash_signal_name(11), "SIGSEGV");
	assert_string_equal(crash_signal_name(4000000000U), "SIG?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_id_parse),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_removed_core),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_hostile_attempts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_doubt_is_root_only),
		cmocka_unit_test(test_odd_values),
		cmocka_unit_test(test_signal_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
