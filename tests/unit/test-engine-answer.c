// SPDX-License-Identifier: MIT
/* host-helper/names/engine-answer.c: hostile rows first. */
#include "../../host-helper/names/engine-answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "test.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"{}",
		"null",
		"{\"message\":\"No such container: " ID "\"}",
		"{\"Id\":\"" OTHER "\",\"Name\":\"/a\",\"Config\":{}}",
		"{\"Id\":\"" ID "\",\"Config\":{}}",
		"{\"Id\":\"" ID "\",\"Name\":\"/\",\"Config\":{}}",
		"{\"Id\":\"" ID "\",\"Name\":\"/a\\u0000b\",\"Config\":{}}",
		"{\"Id\":\"" ID "\",\"Name\":\"/a\",\"Config\":[]}",
		"{\"Id\":\"" ID "\",\"Name\":\"/a\",\"Name\":\"/b\",\"Config\":{}}",
		"{\"Id\":\"" ID "\",\"Name\":\"/\xff\",\"Config\":{}}",
		"{\"Id\":\"" ID "\",\"Name\":\"/a\",\"Config\":{}} x",
		"{\"Id\":[\"" ID "\"],\"Name\":\"/a\",\"Config\":{}}",
	};
	struct container_facts facts;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("# %s\n", rows[i]);
		assert_int_equal(engine_answer_parse(rows[i], strlen(rows[i]), ID, &facts),
				 -EINVAL);
	}
	/* As deep as it gets. */
	cleanup_free char *deep = malloc(200001);
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	assert_int_equal(engine_answer_parse(deep, 200000, ID, &facts), -EINVAL);
}

static void test_docker(void **state)
{
	static const char text[] =
		"{\"Id\":\"" ID "\",\"Name\":\"/web\",\"Image\":\"sha256:12\",\"Config\":{"
		"\"Image\":\"nginx:1\",\"Labels\":{\"a\":\"b\\n\\u001b\",\"n\":\"\\u0000\",\"i\":1,"
		"\"io.kubernetes.pod.name\":\"p\",\"io.kubernetes.pod.namespace\":\"ns\"}},\"x\":{}"
		"}";
	cleanup_container_facts struct container_facts facts = { .name = NULL };

	(void)state;
	assert_int_equal(engine_answer_parse(text, strlen(text), ID, &facts), 0);
	assert_string_equal(facts.name, "web");
	assert_string_equal(facts.image, "nginx:1");
	assert_string_equal(facts.image_id, "sha256:12");
	assert_string_equal(facts.pod, "p");
	assert_string_equal(facts.pod_namespace, "ns");
	assert_null(facts.pod_uid);
	assert_string_equal(container_labels_get(&facts.labels, "a"), "b\n\x1b");
	assert_int_equal(facts.labels.count, 3);
	assert_int_equal(facts.labels.left_out, 2);
}

static void test_many_labels(void **state)
{
	cleanup_container_facts struct container_facts facts = { .name = NULL };
	cleanup_free char *text = malloc(1U << 20);
	int len = sprintf(text, "{\"Id\":\"" ID "\",\"Name\":\"/w\",\"Config\":{\"Labels\":{");

	(void)state;
	for (int i = 0; i < 5000; i++)
		len += sprintf(text + len, "%s\"k%d\":\"%0100d\"", i ? "," : "", i, i);
	len += sprintf(text + len, "}}}");
	assert_int_equal(engine_answer_parse(text, (size_t)len, ID, &facts), 0);
	assert_int_equal(facts.labels.count, CONTAINER_LABELS_MAX);
	assert_int_equal(facts.labels.left_out, 5000 - CONTAINER_LABELS_MAX);
}

static void test_bundles(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *name, *image, *pod, *namespace;
	} rows[] = {
		{ "x", -EINVAL, NULL, NULL, NULL, NULL },
		{ "{\"annotations\":[]}", -ENODATA, NULL, NULL, NULL, NULL },
		{ "{\"annotations\":{\"io.kubernetes.pod.name\":\"a\\u0000\"}}", -ENODATA, NULL,
		  NULL, NULL, NULL },
		{ "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"c\","
		  "\"io.kubernetes.cri.image-name\":\"i:1\",\"io.kubernetes.cri.sandbox-name\":"
		  "\"p\","
		  "\"io.kubernetes.cri.sandbox-namespace\":\"n\"}}",
		  0, "c", "i:1", "p", "n" },
		{ "{\"annotations\":{\"io.kubernetes.container.name\":\"c\","
		  "\"io.kubernetes.cri-o.ImageName\":\"i:1\",\"io.kubernetes.pod.name\":\"p\","
		  "\"io.kubernetes.pod.namespace\":\"n\"}}",
		  0, "c", "i:1", "p", "n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_container_facts struct container_facts facts = { .name = NULL };

		assert_int_equal(engine_bundle_parse(rows[i].text, strlen(rows[i].text), &facts),
				 rows[i].r);
		if (rows[i].r < 0)
			continue;
		assert_string_equal(facts.name, rows[i].name);
		assert_string_equal(facts.image, rows[i].image);
		assert_string_equal(facts.pod, rows[i].pod);
		assert_string_equal(facts.pod_namespace, rows[i].namespace);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_many_labels),
		cmocka_unit_test(test_bundles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
