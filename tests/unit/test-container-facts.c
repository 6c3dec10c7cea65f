// SPDX-License-Identifier: MIT
/* common/container-facts.c: what comes back is what was written, and nothing else is taken. */
#include "container-facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "test.h"

static void test_round_trip(void **state)
{
	cleanup_container_facts struct container_facts a = { .name = NULL }, b = { .name = NULL };
	cleanup_free char *bytes = NULL;
	size_t len;

	(void)state;
	container_facts_set(&a.name, "web\n1");
	container_facts_set(&a.image, "nginx:1.27");
	container_facts_set(&a.pod, "end");
	container_labels_add(&a.labels, "label", "end");
	container_labels_add(&a.labels, "x", "");
	a.labels.left_out = 7;
	assert_int_equal(container_facts_write(&a, &bytes, &len), 0);
	assert_int_equal(container_facts_read(bytes, len, &b), 0);
	assert_string_equal(b.name, "web\n1");
	assert_string_equal(b.image, "nginx:1.27");
	assert_string_equal(b.pod, "end");
	assert_null(b.image_id);
	assert_null(b.error);
	assert_int_equal(b.labels.count, 2);
	assert_string_equal(container_labels_get(&b.labels, "label"), "end");
	assert_string_equal(container_labels_get(&b.labels, "x"), "");
	assert_null(container_labels_get(&b.labels, "name"));
	assert_int_equal(b.labels.left_out, 7);
	/* No part of it is taken for the whole. */
	for (size_t i = 0; i < len; i++) {
		struct container_facts none;

		assert_int_equal(container_facts_read(bytes, i, &none), -EINVAL);
	}
}

static void test_refused(void **state)
{
	static char name[CONTAINER_FACT_MAX + 32] = "name";
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "", 0 },
		{ "end", 3 },
		{ "end\0x", 5 },
		{ "end\0end", 8 },
		{ "name\0end", 9 },
		{ "name\0\0end", 10 },
		{ "name\0a\0name\0b\0end", 19 },
		{ "nmae\0a\0end", 11 },
		{ "label\0a\0end", 12 },
		{ "label\0\0a\0end", 13 },
		{ "left_out\0-1\0end", 16 },
		{ "left_out\0004294967296\0end", 24 },
		{ name, CONTAINER_FACT_MAX + 11 },
	};
	struct container_facts facts;

	(void)state;
	memset(name + 5, 'x', CONTAINER_FACT_MAX + 1);
	memcpy(name + CONTAINER_FACT_MAX + 7, "end", 4);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(container_facts_read(rows[i].bytes, rows[i].len, &facts), -EINVAL);
	/* One byte less, and it is taken. */
	memmove(name + 5, name + 6, CONTAINER_FACT_MAX + 10);
	assert_int_equal(container_facts_read(name, CONTAINER_FACT_MAX + 10, &facts), 0);
	container_facts_release(&facts);
}

/* What is too much is left out whole, and counted; what was kept can be written. */
static void test_bounds(void **state)
{
	cleanup_container_facts struct container_facts a = { .name = NULL }, b = { .name = NULL };
	cleanup_free char *bytes = NULL;
	static char value[CONTAINER_LABEL_MAX + 2], key[CONTAINER_FACT_MAX + 2];
	size_t len;

	(void)state;
	memset(value, 'v', CONTAINER_LABEL_MAX + 1);
	memset(key, 'k', CONTAINER_FACT_MAX + 1);
	container_labels_add(&a.labels, "a", value);
	container_labels_add(&a.labels, key, "a");
	container_labels_add(&a.labels, "", "a");
	assert_int_equal(a.labels.count, 0);
	assert_int_equal(a.labels.left_out, 3);

	value[CONTAINER_LABEL_MAX] = key[CONTAINER_FACT_MAX] = '\0';
	for (int i = 0; i < CONTAINER_LABELS_MAX; i++) {
		key[0] = (char)('a' + i % 26);
		container_labels_add(&a.labels, key, value);
	}
	assert_true(a.labels.count < CONTAINER_LABELS_MAX && a.labels.count > 1);
	assert_true(a.labels.bytes <= CONTAINER_LABELS_BYTES);
	for (int i = 0; i < CONTAINER_LABELS_MAX; i++)
		container_labels_add(&a.labels, "k", "");
	assert_int_equal(a.labels.count, CONTAINER_LABELS_MAX);
	container_facts_set(&a.name, value); /* too long: none */
	assert_null(a.name);
	assert_int_equal(container_facts_write(&a, &bytes, &len), 0);
	assert_int_equal(container_facts_read(bytes, len, &b), 0);
	assert_int_equal(b.labels.count, CONTAINER_LABELS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
