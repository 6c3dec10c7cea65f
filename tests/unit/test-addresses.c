// SPDX-License-Identifier: MIT
/* common/addresses.c: the container's own addresses, and none that every container has. */
#include "addresses.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "test.h"

static const char *join(const struct addresses *a)
{
	static char text[2048];

	text[0] = '\0';
	for (uint32_t i = 0; i < a->count; i++) {
		char one[ADDRESSES_TEXT_SIZE];

		addresses_format(&a->items[i], one);
		strcat(strcat(text, *text ? " " : ""), one);
	}
	return text;
}

static void test_fib_trie(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "" },
		{ "/32 host LOCAL\n", "" },
		{ "|-- 10.0.3.5\n", "" },
		{ "|-- 10.0.3.5\n   /32 link BROADCAST\n", "" },
		{ "|-- 10.0.3.5\n   /24 link UNICAST\n", "" },
		{ "|-- 10.0.3.5 \n   /32 host LOCAL\n", "" },
		{ "|-- 10.0.3.5\n|-- 10.0.3.999\n   /32 host LOCAL\n", "" },
		{ "|-- 10.0.3.5\n   /32 host LOCAL extra\n", "" },
		{ "|-- 127.0.0.1\n   /32 host LOCAL\n|-- 127.9.9.9\n   /32 host LOCAL\n", "" },
		{ "|-- 0.0.0.0\n   /0 universe UNICAST\n|-- 10.0.3.5\n   /32 host LOCAL",
		  "10.0.3.5" },
		{ "Main:\n  +-- 10.0.3.0/24 2 0 2\n     |-- 10.0.3.5\n        /32 host LOCAL\n"
		  "     |-- 10.0.3.255\n        /32 link BROADCAST\n"
		  "Local:\n  |-- 10.0.3.5\n     /32 host LOCAL\n  |-- 172.17.0.2\n     /32 host "
		  "LOCAL\n",
		  "10.0.3.5 172.17.0.2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addresses a = { 0 };

		addresses_read_fib_trie(rows[i].text, &a);
		assert_string_equal(join(&a), rows[i].expected);
	}
}

static void test_if_inet6(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "fd00000000000000000000000000000", "" },
		{ "fd000000000000000000000000000002", "" },
		{ "fd00000000000000000000000000000g 04 40 00 82 eth0\n", "" },
		{ "FD000000000000000000000000000002 04 40 00 82 eth0\n", "" },
		{ "00000000000000000000000000000001 01 80 10 80 lo\n", "" },
		{ "00000000000000000000000000000000 01 80 10 80 x\n", "" },
		{ "00000000000000000000ffff7f000001 01 80 10 80 x\n", "" },
		{ "fd000000000000000000000000000002 04 40 00 82 eth0\n"
		  "fe8000000000000002163efffe000000 02 40 20 80 eth0\n",
		  "fd00::2 fe80::216:3eff:fe00:0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addresses a = { 0 };

		addresses_read_if_inet6(rows[i].text, &a);
		assert_string_equal(join(&a), rows[i].expected);
	}
}

/* Thousands of addresses are a container's right: the first ones count, and nothing is written
 * behind the last. */
static void test_bounds(void **state)
{
	struct {
		struct addresses a;
		char guard[16];
	} box = { .guard = "untouched" };
	struct in6_addr address;

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		const uint8_t v4[4] = { 10, 9, (uint8_t)(i >> 8), (uint8_t)i };

		addresses_map(v4, &address);
		addresses_add(&box.a, &address);
		addresses_add(&box.a, &address);
		addresses_add_link(&box.a, i);
		addresses_add_link(&box.a, 0);
	}
	assert_int_equal(box.a.count, ADDRESSES_MAX);
	assert_int_equal(box.a.link_count, ADDRESSES_LINKS_MAX);
	assert_string_equal(box.guard, "untouched");
	assert_int_equal(addresses_parse("10.9.0.1", &address), 0);
	assert_true(addresses_has(&box.a, &address));
	assert_int_equal(addresses_parse("::ffff:10.9.0.1", &address), 0);
	assert_true(addresses_has(&box.a, &address));
	assert_int_equal(addresses_parse("10.9.3.232", &address), 0);
	assert_false(addresses_has(&box.a, &address));
	assert_true(addresses_has_link(&box.a, 1));
	assert_false(addresses_has_link(&box.a, 1000));
	assert_int_equal(addresses_parse("10.9.0.1 ", &address), -EINVAL);
	assert_int_equal(addresses_parse("", &address), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fib_trie),
		cmocka_unit_test(test_if_inet6),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
