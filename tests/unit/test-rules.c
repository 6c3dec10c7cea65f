// SPDX-License-Identifier: MIT
/* host-helper/helper/rules.c: what is not known is never a way around a section. */
#include "../../host-helper/helper/rules.h"

#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What is known of a container. */
struct row {
	const char *config;
	const char *runtime, *id, *name, *image, *label; /* label: "KEY=VALUE" */
	const char *lookup;
	uint32_t owner, left_out;
	const char *result; /* "": as without; "off", "off?", "push?", "+": as the section says */
};

static void make_crash(const struct row *row, struct crash *crash)
{
	crash_init(crash);
	crash_set_string(&crash->container_runtime, row->runtime);
	crash_set_string(&crash->container_id, row->id);
	crash_set_string(&crash->container_name, row->name);
	crash_set_string(&crash->container_image, row->image);
	crash_set_string(&crash->container_lookup, row->lookup);
	crash->container_owner = row->owner;
	crash->container_labels.left_out = row->left_out;
	if (row->label) {
		cleanup_free char *key = strdup(row->label);
		char *value = strchr(key, '=');

		*value++ = '\0';
		container_labels_add(&crash->container_labels, key, value);
	}
}

static void test_rows(void **state)
{
	static const struct row rows[] = {
		/* not known */
		{ "[image x]\noff = yes", "docker", ID, NULL, NULL, NULL, "late", 0, 0, "off?" },
		{ "[image x]\noff = no", "docker", ID, NULL, NULL, NULL, "late", 0, 0, "" },
		{ "[image x]\nurl = http://x", "docker", ID, NULL, NULL, NULL, "late", 0, 0,
		  "push?" },
		{ "[image x]\npush = no", "docker", ID, NULL, NULL, NULL, "late", 0, 0, "push?" },
		{ "[image x]\nhold = always", "docker", ID, NULL, NULL, NULL, "late", 0, 0, "" },
		{ "[container a]\noff = yes", "docker", ID, NULL, NULL, NULL, "late", 0, 0,
		  "off?" },
		{ "[container lxc:a]\noff = yes", "docker", ID, NULL, NULL, NULL, "late", 0, 0,
		  "" },
		{ "[container lx?:a]\noff = yes", "docker", ID, NULL, NULL, NULL, "late", 0, 0,
		  "off?" },
		{ "[label a]\noff = yes", "docker", ID, NULL, NULL, NULL, "late", 0, 0, "off?" },
		{ "[label a]\noff = yes", "docker", ID, "n", "i", NULL, NULL, 0, 0, "" },
		{ "[label a]\noff = yes", "docker", ID, "n", "i", NULL, NULL, 0, 1, "off?" },
		{ "[label a]\noff = yes", "containerd", ID, NULL, NULL, NULL, "none", 0, 0, "" },
		{ "[image a]\noff = yes", "containerd", ID, NULL, NULL, NULL, "none", 0, 0,
		  "off?" },
		/* who could have made it up */
		{ "[container a]\noff = yes", "lxc", NULL, "a", NULL, NULL, NULL, 1000, 0, "off?" },
		{ "[container a]\nmax_core = 7", "lxc", NULL, "a", NULL, NULL, NULL, 1000, 0, "" },
		{ "[container b]\noff = yes", "lxc", NULL, "a", NULL, NULL, NULL, 1000, 0, "" },
		/* a later section, of which it is known that it counts */
		{ "[image x]\noff = yes\n[container docker:0*]\noff = no", "docker", ID, NULL, NULL,
		  NULL, "late", 0, 0, "" },
		{ "[container docker:0*]\noff = no\n[image x]\noff = yes", "docker", ID, NULL, NULL,
		  NULL, "late", 0, 0, "off?" },
		{ "[image *]\noff = yes\n[image a*]\noff = no\n", "docker", ID, "n", "abc", NULL,
		  NULL, 0, 0, "" },
		{ "[image a*]\noff = no\n[image *]\noff = yes\n", "docker", ID, "n", "abc", NULL,
		  NULL, 0, 0, "off" },
		{ "off = yes\n[image a]\noff = no\n", "docker", ID, "n", "b", NULL, NULL, 0, 0,
		  "off" },
		{ "off = yes\n[image b]\noff = no\n", "docker", ID, "n", "b", NULL, NULL, 0, 0,
		  "" },
		{ "off = yes\n[image b]\noff = no\n", "docker", ID, NULL, NULL, NULL, "late", 0, 0,
		  "off" },
		/* known */
		{ "[container a]\noff = yes", NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, "" },
		{ "[container *]\noff = yes\n[image *]\noff = yes\n[label a]\noff = yes", NULL,
		  NULL, NULL, NULL, NULL, NULL, 0, 0, "" },
		{ "[image *]\noff = yes\n[label a]\noff = yes", "lxc", NULL, "a", NULL, NULL, NULL,
		  0, 0, "" },
		{ "[container a?c]\nmax_core = 7", "docker", ID, "abc", "i", NULL, NULL, 0, 0,
		  "+" },
		{ "[container ab]\nmax_core = 7", "docker", ID, "abc", "i", NULL, NULL, 0, 0, "" },
		{ "[container docker:abc]\nmax_core = 7", "docker", ID, "abc", "i", NULL, NULL, 0,
		  0, "+" },
		{ "[container podman:abc]\nmax_core = 7", "docker", ID, "abc", "i", NULL, NULL, 0,
		  0, "" },
		{ "[container 0123*]\nmax_core = 7", "docker", ID, NULL, NULL, NULL, "late", 0, 0,
		  "+" },
		{ "[image reg/*]\nmax_core = 7", "docker", ID, "n", "reg/a/b:1", NULL, NULL, 0, 0,
		  "+" },
		{ "[label k=v*]\nmax_core = 7", "docker", ID, "n", "i", "k=vw", NULL, 0, 0, "+" },
		{ "[label k=v*]\nmax_core = 7", "docker", ID, "n", "i", "k=w", NULL, 0, 0, "" },
		{ "[label k]\nmax_core = 7", "docker", ID, "n", "i", "k=", NULL, 0, 0, "+" },
		{ "[label k=]\nmax_core = 7", "docker", ID, "n", "i", "k=x", NULL, 0, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_config struct config config;
		cleanup_crash struct crash crash;
		cleanup_free char *text = strdup(rows[i].config);
		char error[CONFIG_ERROR_SIZE];
		const char *result = rows[i].result;
		struct rules_verdict v;
		struct config effective;

		print_message("# row %zu: %s\n", i, rows[i].config);
		assert_int_equal(config_init(&config), 0);
		assert_int_equal(config_parse(&config, "c", text, error), 0);
		make_crash(&rows[i], &crash);
		rules_apply(&config, &crash, &effective, &v);
		assert_int_equal(effective.off, strcmp(result, "off") == 0);
		assert_int_equal(v.is_off_in_doubt, strcmp(result, "off?") == 0);
		assert_int_equal(v.is_push_in_doubt, strcmp(result, "push?") == 0);
		assert_int_equal(v.doubt[0] != '\0', strchr(result, '?') != NULL);
		assert_int_equal(effective.max_core, strcmp(result, "+") == 0 ? 7 : 0);
	}
}

static void test_reasons(void **state)
{
	static const struct row row = { "[label a=b?]\noff = yes\n[image x]\nurl = http://x",
					"docker",
					ID,
					"n",
					"x",
					"a=bc",
					NULL,
					0,
					0,
					"" };
	cleanup_config struct config config;
	cleanup_crash struct crash crash;
	cleanup_free char *text = strdup(row.config);
	char error[CONFIG_ERROR_SIZE];
	struct rules_verdict v;
	struct config effective;

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(config_parse(&config, "c", text, error), 0);
	make_crash(&row, &crash);
	rules_apply(&config, &crash, &effective, &v);
	assert_string_equal(v.off, "[label a=b?]");
	assert_string_equal(effective.url, "http://x");
	crash.container_owner = 1000;
	rules_apply(&config, &crash, &effective, &v);
	assert_string_equal(v.off, "");
	assert_string_equal(v.doubt,
			    "[label a=b?]: a user of the host could have made up the container");
	assert_null(effective.url);
}

static void test_max_per_container(void **state)
{
	static const struct row row = { "max_per_container = 9\n[image x]\nmax_per_container = 2",
					"docker",
					ID,
					"n",
					"x",
					NULL,
					NULL,
					0,
					0,
					"" };
	cleanup_config struct config config;
	cleanup_crash struct crash crash;
	cleanup_free char *text = strdup(row.config);
	char error[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(config_init(&config), 0);
	assert_false(rules_have_max_per_container(&config));
	assert_int_equal(config_parse(&config, "c", text, error), 0);
	assert_true(rules_have_max_per_container(&config));
	make_crash(&row, &crash);
	assert_int_equal(rules_max_per_container(&config, &crash), 2);
	crash_set_string(&crash.container_image, "y");
	assert_int_equal(rules_max_per_container(&config, &crash), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_max_per_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
