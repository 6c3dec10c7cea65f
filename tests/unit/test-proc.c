// SPDX-License-Identifier: MIT
/* common/proc.c: rights are read exactly, or not at all. */
#include "proc.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fd.h"
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
		"CoreDumping:\t1\n" CAPS "NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";
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
	assert_int_equal(s->seccomp_mode, 2);
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
		"Tgid:\t1\nPid:\t1\nGroups:\t\n" IDS CAPS "Seccomp:\t\n",
		"Tgid:\t1\nPid:\t1\nGroups:\t\n" IDS CAPS "Seccomp:\t-1\n",
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

#define LIMITS_BUT_CORE                                                                    \
	"Limit                     Soft Limit           Hard Limit           Units     \n" \
	"Max cpu time              1                    2                    seconds   \n" \
	"Max file size             unlimited            unlimited            bytes     \n" \
	"Max data size             3                    unlimited            bytes     \n" \
	"Max stack size            8388608              unlimited            bytes     \n" \
	"Max resident set          unlimited            unlimited            bytes     \n" \
	"Max processes             7                    8                    processes \n" \
	"Max open files            300                  400                  files     \n" \
	"Max locked memory         0                    0                    bytes     \n" \
	"Max address space         unlimited            unlimited            bytes     \n" \
	"Max file locks            unlimited            unlimited            locks     \n" \
	"Max pending signals       9                    9                    signals   \n" \
	"Max msgqueue size         819200               819200               bytes     \n" \
	"Max nice priority         0                    0                    \n"           \
	"Max realtime priority     0                    0                    \n"           \
	"Max realtime timeout      unlimited            18446744073709551615 us        \n"
#define CORE "Max core file size        0                    unlimited            bytes     \n"

static void test_limits(void **state)
{
	struct enter_limit limits[ENTER_LIMIT_COUNT];

	(void)state;
	assert_int_equal(proc_limits_parse(LIMITS_BUT_CORE CORE, limits), 0);
	assert_int_equal(limits[RLIMIT_CPU].soft, 1);
	assert_int_equal(limits[RLIMIT_CPU].hard, 2);
	assert_true(limits[RLIMIT_FSIZE].soft == RLIM_INFINITY);
	assert_true(limits[RLIMIT_DATA].soft == 3 && limits[RLIMIT_DATA].hard == RLIM_INFINITY);
	assert_int_equal(limits[RLIMIT_NPROC].hard, 8);
	assert_int_equal(limits[RLIMIT_NOFILE].soft, 300);
	assert_int_equal(limits[RLIMIT_NICE].hard, 0);
	assert_int_equal(limits[RLIMIT_CORE].soft, 0);
	assert_true(limits[RLIMIT_RTTIME].hard == RLIM_INFINITY);
}

static void test_limits_refused(void **state)
{
	static const char *const rows[] = {
		"",
		LIMITS_BUT_CORE, /* one is missing */
		LIMITS_BUT_CORE CORE CORE,
		LIMITS_BUT_CORE "Max core file size  0\n",
		LIMITS_BUT_CORE "Max core file size  -1  0 bytes\n",
		LIMITS_BUT_CORE "Max core file size  0  Unlimited bytes\n",
		LIMITS_BUT_CORE "Max core file size  18446744073709551616 0 bytes\n",
		LIMITS_BUT_CORE "Max core file sizes 0 0 bytes\n",
	};
	struct enter_limit limits[ENTER_LIMIT_COUNT], before[ENTER_LIMIT_COUNT];

	(void)state;
	memset(limits, 0x55, sizeof(limits));
	memcpy(before, limits, sizeof(limits));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(proc_limits_parse(rows[i], limits), -EINVAL);
	assert_memory_equal(limits, before, sizeof(limits));
}

#define STAT_HEAD "42 (a) R 1 (b) 9) D 1 2 3 4 5 6 7 8 9 10 11 12 13 14 20 "
#define STAT_REST " 1 0 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 17 0 "

static void test_stat(void **state)
{
	static const struct {
		const char *text;
		int nice;
		unsigned scheduler;
	} rows[] = {
		{ STAT_HEAD "-20" STAT_REST "3 0 0\n", -20, 3 },
		{ STAT_HEAD "19" STAT_REST "5\n", 19, 5 },
		{ STAT_HEAD "0" STAT_REST "0 0\n", 0, 0 },
	};
	static const char *const refused[] = {
		"",
		"42 (a",
		"42 (a)",
		STAT_HEAD "20" STAT_REST "0 0\n",
		STAT_HEAD "-21" STAT_REST "0 0\n",
		STAT_HEAD "--1" STAT_REST "0 0\n",
		STAT_HEAD "0" STAT_REST,
		STAT_HEAD "0" STAT_REST "-1 0\n",
		STAT_HEAD "-" STAT_REST "0 0\n",
	};
	struct proc_stat stat;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(proc_stat_parse(rows[i].text, &stat), 0);
		assert_int_equal(stat.nice, rows[i].nice);
		assert_int_equal(stat.scheduler, rows[i].scheduler);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(proc_stat_parse(refused[i], &stat), -EINVAL);
	/* Our own, as the kernel writes it. */
	cleanup_free char *own = NULL;
	size_t len;
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/stat", 4096, &own, &len), 0);
	assert_int_equal(proc_stat_parse(own, &stat), 0);
	assert_int_equal(stat.nice, getpriority(PRIO_PROCESS, 0));
	assert_int_equal(stat.scheduler, sched_getscheduler(0));
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
		cmocka_unit_test(test_status),	       cmocka_unit_test(test_status_refused),
		cmocka_unit_test(test_many_groups),    cmocka_unit_test(test_environ),
		cmocka_unit_test(test_auxv),	       cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limits_refused), cmocka_unit_test(test_stat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
