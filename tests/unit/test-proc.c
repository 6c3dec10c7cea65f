// SPDX-License-Identifier: MIT
/* common/proc.c: rights are read exactly, or not at all. */
#include "proc.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define CAPS                                                                                \
	"CapInh:\t0000000000000001\nCapPrm:\t0000000000000002\nCapEff:\t0000000000000004\n" \
	"CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000010\n"
#define IDS "Uid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\n"

static void test_status(void **state)
{
	static const char text[] =
		"Name:\tUid:\\n0 0 0 0\nUmask:\t0022\nState:\tD (disk sleep)\nTgid:\t41\nNgid:\t0\n"
		"Pid:\t42\nPPid:\t1\n" IDS "FDSize:\t64\nGroups:\t4 24 1000 \nNStgid:\t41\t7\t1\n"
		"CoreDumping:\t1\n" CAPS "NoNewPrivs:\t0\n";
	struct proc_status *s = calloc(1, sizeof(*s));

	(void)state;
	assert_int_equal(proc_status_parse(text, s), 0);
	assert_int_equal(s->tgid, 41);
	assert_int_equal(s->pid, 42);
	assert_int_equal(s->innermost_pid, 1);
	assert_int_equal(s->uid[0], 1000);
	assert_int_equal(s->uid[3], 1003);
	assert_int_equal(s->gid[1], 6);
	assert_int_equal(s->group_count, 3);
	assert_int_equal(s->groups[2], 1000);
	assert_int_equal(s->caps[ENTER_CAP_INHERITABLE], 1);
	assert_int_equal(s->caps[ENTER_CAP_PERMITTED], 2);
	assert_int_equal(s->caps[ENTER_CAP_EFFECTIVE], 4);
	assert_int_equal(s->caps[ENTER_CAP_BOUNDING], 0x1ffffffffffULL);
	assert_int_equal(s->caps[ENTER_CAP_AMBIENT], 16);
	assert_true(s->core_dumping_known && s->core_dumping);
	free(s);
}

static void test_status_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"Tgid:\t1\nPid:\t1\n" IDS CAPS, /* no groups */
		"Tgid:\t1\nPid:\t1\nGroups:\t\nUid:\t0\t0\t0\nGid:\t0\t0\t0\t0\n" CAPS,
		"Tgid:\t1\nPid:\t1\nGroups:\t\nUid:\t0\t0\t0\t-1\nGid:\t0\t0\t0\t0\n" CAPS,
		"Tgid:\t1\nPid:\t1\nGroups:\t4294967296\n" IDS CAPS,
		"Tgid:\tx\nPid:\t1\nGroups:\t\n" IDS CAPS,
		"Tgid:\t1\nPid:\t1\nGroups:\t\n" IDS "CapInh:\tzz\n" CAPS,
	};
	struct proc_status *s = calloc(1, sizeof(*s));

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(proc_status_parse(rows[i], s), -EINVAL);
	free(s);
}

/* More groups than we hand over: told, never cut. */
static void test_many_groups(void **state)
{
	struct proc_status *s = calloc(1, sizeof(*s));
	char *text = malloc(64 + 8 * (ENTER_GROUPS_MAX + 1) + sizeof(IDS CAPS)), *p = text;

	(void)state;
	for (int count = ENTER_GROUPS_MAX; count <= ENTER_GROUPS_MAX + 1; count++) {
		p = text + sprintf(text, "Tgid:\t1\nPid:\t1\nGroups:\t");
		for (int i = 0; i < count; i++)
			p += sprintf(p, "%d ", i);
		strcpy(p, "\n" IDS CAPS);
		assert_int_equal(proc_status_parse(text, s), 0);
		assert_int_equal(s->too_many_groups, count > ENTER_GROUPS_MAX);
		assert_int_equal(s->group_count, count > ENTER_GROUPS_MAX ? 0 : ENTER_GROUPS_MAX);
	}
	free(text);
	free(s);
}

static void test_environ(void **state)
{
	static const char data[] = "A=1\0COREFERRY_URLX=no\0XCOREFERRY_URL=no\0COREFERRY_URL=yes\0"
				   "COREFERRY_URL=second\0EMPTY=\0CUT=off";
	size_t len = sizeof(data) - 1;

	(void)state;
	assert_string_equal(proc_environ_get(data, len, "COREFERRY_URL"), "yes");
	assert_string_equal(proc_environ_get(data, len, "EMPTY"), "");
	assert_null(proc_environ_get(data, len, "CUT")); /* no NUL: it may have been longer */
	assert_null(proc_environ_get(data, len, "B"));
	assert_null(proc_environ_get(data, 0, "A"));
}

static void test_auxv(void **state)
{
	Elf64_auxv_t wide[] = { { AT_SYSINFO_EHDR, { 0x7fff00001000 } },
				{ AT_SECURE, { 0 } },
				{ AT_NULL, { 0 } } };
	Elf32_auxv_t narrow[] = { { AT_SYSINFO_EHDR, { 0xf7f00000 } },
				  { AT_PAGESZ, { 4096 } },
				  { AT_SECURE, { 0 } },
				  { 25, { 0xff001234 } },
				  { AT_NULL, { 0 } } };

	(void)state;
	assert_false(proc_auxv_is_secure(wide, sizeof(wide)));
	wide[1].a_un.a_val = 1;
	assert_true(proc_auxv_is_secure(wide, sizeof(wide)));
	wide[1].a_type = AT_PAGESZ;
	assert_true(proc_auxv_is_secure(wide, sizeof(wide))); /* not there: in doubt, yes */
	assert_false(proc_auxv_is_secure(narrow, sizeof(narrow)));
	narrow[2].a_un.a_val = 1;
	assert_true(proc_auxv_is_secure(narrow, sizeof(narrow)));
	assert_true(proc_auxv_is_secure("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),	    cmocka_unit_test(test_status_refused),
		cmocka_unit_test(test_many_groups), cmocka_unit_test(test_environ),
		cmocka_unit_test(test_auxv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
