// SPDX-License-Identifier: MIT
/*
 * Registering and unregistering, against a directory that looks like /proc: what was there is put
 * back exactly, whatever failed or was changed in between.  Nothing of the real /proc is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "../../host-helper/cli/registration.h"
#include "fd.h"

#define LINE	     "|/usr/lib/coreferry/coreferry-helper -s%s %P %u %g"
#define OTHER_LINE   "|/usr/lib/coreferry/coreferry-helper -C /e/c -s%s %P %u %g"
#define SYSTEMD_LINE "|/lib/systemd/systemd-coredump %P %u %g %s %t 9223372036854775808 %h"
#define BOOT_1	     "11111111-1111-1111-1111-111111111111"
#define BOOT_2	     "22222222-2222-2222-2222-222222222222"

static const char *const paths[KERNEL_SETTING_COUNT] = {
	[KERNEL_PIPE_LIMIT] = "sys/kernel/core_pipe_limit",
	[KERNEL_SUID_DUMPABLE] = "sys/fs/suid_dumpable",
	[KERNEL_CORE_PATTERN] = "sys/kernel/core_pattern",
};

/* One test's machine, and how its kernel misbehaves. */
static struct {
	char dir[64], proc[96];
	int store;
	const char *failing; /* the end of a path whose writing fails, or NULL */
	const char *cutting; /* the end of a path of which the kernel keeps 20 bytes */
	int failures_left;   /* how often it fails before it works again */
	char order[64];	     /* the first letters of what was written, in order */
} machine;

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = end ? strlen(end) : SIZE_MAX;

	return end && len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* What the kernel would do with a write to this file. */
static int fake_write_all(int fd, const void *data, size_t len)
{
	char link[64], path[PATH_MAX] = "";
	const char *setting;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_true(readlink(link, path, sizeof(path) - 1) > 0);
	setting = strrchr(path, '/') + 1;
	strncat(machine.order,
		strcmp(setting, "core_pattern") == 0	  ? "P"
		: strcmp(setting, "core_pipe_limit") == 0 ? "L"
							  : "S",
		sizeof(machine.order) - strlen(machine.order) - 1);
	if (machine.failures_left > 0 && ends_with(path, machine.failing)) {
		machine.failures_left--;
		return -EINVAL;
	}
	if (machine.failures_left > 0 && ends_with(path, machine.cutting) && len > 20) {
		machine.failures_left--;
		return fd_write_all(fd, data, 20);
	}
	return fd_write_all(fd, data, len);
}

static const struct kernel_access access_fake = { machine.proc, fake_write_all };

static void put_file(const char *path, const char *text)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", machine.proc, path);
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "%s\n", text) > 0);
	assert_int_equal(fclose(f), 0);
}

static void kernel_set(const char *pattern, const char *limit, const char *suid)
{
	put_file(paths[KERNEL_CORE_PATTERN], pattern);
	put_file(paths[KERNEL_PIPE_LIMIT], limit);
	put_file(paths[KERNEL_SUID_DUMPABLE], suid);
}

static void assert_kernel(const char *pattern, const char *limit, const char *suid)
{
	struct kernel_settings now;

	assert_int_equal(kernel_settings_read(&access_fake, &now), 0);
	assert_string_equal(now.value[KERNEL_CORE_PATTERN], pattern);
	assert_string_equal(now.value[KERNEL_PIPE_LIMIT], limit);
	assert_string_equal(now.value[KERNEL_SUID_DUMPABLE], suid);
}

static void boot(const char *boot_id)
{
	put_file("sys/kernel/random/boot_id", boot_id);
}

static int setup(void **state)
{
	static const char *const dirs[] = {
		"proc", "proc/sys", "proc/sys/kernel", "proc/sys/fs", "proc/sys/kernel/random",
		"store"
	};
	char path[256];

	(void)state;
	memset(&machine, 0, sizeof(machine));
	snprintf(machine.dir, sizeof(machine.dir), "/tmp/test-cli-registration.XXXXXX");
	assert_non_null(mkdtemp(machine.dir));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", machine.dir, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(machine.proc, sizeof(machine.proc), "%s/proc", machine.dir);
	machine.store = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(machine.store >= 0);
	boot(BOOT_1);
	kernel_set("core", "0", "0");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	fd_close(&machine.store);
	return nftw(machine.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int do_register(const char *line, const char *suid, bool force)
{
	const struct registration_request request = { line, "1024", suid, force };

	return registration_register(&access_fake, machine.store, &request);
}

static int do_unregister(bool force)
{
	return registration_unregister(&access_fake, machine.store, force);
}

static bool is_remembered(void)
{
	return faccessat(machine.store, REGISTRATION_STATE_NAME, F_OK, 0) == 0;
}

static void put_state(const char *text)
{
	assert_int_equal(file_replace_at(machine.store, REGISTRATION_STATE_NAME, text, strlen(text),
					 0600, (gid_t)-1),
			 0);
}

static void test_there_and_back(void **state)
{
	static const char *const patterns[] = {
		"core",
		"",
		"/var/core/%e.%p",
		SYSTEMD_LINE,
		"@/run/coredump.socket",
		"back\\slash \"quote\" \xff\xfe", /* no UTF-8, so not JSON's */
	};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		kernel_set(patterns[i], "16", "0");
		assert_int_equal(do_register(LINE, NULL, false), EX_OK);
		assert_kernel(LINE, "1024", "0");
		assert_int_equal(fstatat(machine.store, REGISTRATION_STATE_NAME, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(do_unregister(false), EX_OK);
		assert_kernel(patterns[i], "16", "0");
		assert_false(is_remembered());
	}
}

static void test_the_pattern_is_written_last_and_taken_away_before_its_limit(void **state)
{
	(void)state;
	assert_int_equal(do_register(LINE, "2", false), EX_OK);
	assert_string_equal(machine.order, "LSP");
	assert_kernel(LINE, "1024", "2");
	machine.order[0] = '\0';
	assert_int_equal(do_unregister(false), EX_OK);
	assert_string_equal(machine.order, "SPL");
	assert_kernel("core", "0", "0");
}

static void test_suid_dumpable_is_put_back_only_if_we_changed_it(void **state)
{
	(void)state;
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	put_file(paths[KERNEL_SUID_DUMPABLE], "1"); /* the administrator's */
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel("core", "0", "1");

	assert_int_equal(do_register(LINE, "2", false), EX_OK);
	/* Registering again without the option does not forget that it was changed. */
	assert_int_equal(do_register(OTHER_LINE, NULL, false), EX_OK);
	assert_kernel(OTHER_LINE, "1024", "2");
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel("core", "0", "1");
}

static void test_again_keeps_what_was_first(void **state)
{
	(void)state;
	kernel_set(SYSTEMD_LINE, "16", "2");
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	assert_int_equal(do_register(OTHER_LINE, NULL, false), EX_OK);
	/* Somebody edits our line by hand: it is never what is put back. */
	put_file(paths[KERNEL_CORE_PATTERN], LINE " edited");
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel(SYSTEMD_LINE, "16", "2");
}

static void test_every_failing_write_is_rolled_back(void **state)
{
	static const char *const settings[] = { "core_pipe_limit", "suid_dumpable",
						"core_pattern" };

	(void)state;
	kernel_set(SYSTEMD_LINE, "16", "1");
	for (size_t i = 0; i < 3; i++) {
		machine.failing = settings[i];
		machine.failures_left = 1;
		assert_int_equal(do_register(LINE, "2", false), EX_OSERR);
		assert_kernel(SYSTEMD_LINE, "16", "1");
		assert_false(is_remembered());
	}
	/* The same where we were registered before: that stays in force, and remembered. */
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	machine.failures_left = 1;
	assert_int_equal(do_register(OTHER_LINE, "2", false), EX_OSERR);
	assert_kernel(LINE, "1024", "1");
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel(SYSTEMD_LINE, "16", "1");
}

static void test_a_cut_line_is_noticed_and_rolled_back(void **state)
{
	(void)state;
	machine.cutting = "core_pattern";
	machine.failures_left = 1;
	assert_int_equal(do_register(LINE, NULL, false), EX_OSERR);
	assert_kernel("core", "0", "0");
	assert_false(is_remembered());
}

static void test_a_failed_roll_back_stays_remembered(void **state)
{
	(void)state;
	kernel_set(SYSTEMD_LINE, "16", "0");
	machine.cutting = "core_pattern";
	machine.failures_left = 2;
	assert_int_equal(do_register(LINE, NULL, false), EX_OSERR);
	assert_true(is_remembered());
	/* The kernel holds a piece of a line, which is neither ours nor what was there. */
	assert_int_equal(do_unregister(false), EX_UNAVAILABLE);
	assert_int_equal(do_unregister(true), EX_OK);
	assert_kernel(SYSTEMD_LINE, "16", "0");
}

static void test_a_run_that_was_killed_can_be_undone(void **state)
{
	struct registration_view view;

	(void)state;
	kernel_set(SYSTEMD_LINE, "16", "0");
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	/* As after a SIGKILL between the pipe limit and the pattern. */
	put_file(paths[KERNEL_CORE_PATTERN], SYSTEMD_LINE);
	assert_int_equal(registration_look(&access_fake, machine.store, &view), 0);
	assert_int_equal(view.situation, REGISTRATION_UNDONE);
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	put_file(paths[KERNEL_CORE_PATTERN], SYSTEMD_LINE);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel(SYSTEMD_LINE, "16", "0");
	assert_false(is_remembered());
}

static void test_what_somebody_else_wrote_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	put_file(paths[KERNEL_CORE_PATTERN], SYSTEMD_LINE);
	assert_int_equal(do_unregister(false), EX_UNAVAILABLE);
	assert_kernel(SYSTEMD_LINE, "1024", "0");
	assert_true(is_remembered());
	assert_int_equal(do_unregister(true), EX_OK);
	assert_kernel("core", "0", "0");

	/* Registering over it remembers theirs, but not our own limit. */
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	put_file(paths[KERNEL_CORE_PATTERN], SYSTEMD_LINE);
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel(SYSTEMD_LINE, "0", "0");
}

static void test_a_reboot_in_between(void **state)
{
	struct registration_view view;

	(void)state;
	kernel_set("/var/core/%p", "8", "0");
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	/* Not in force: what was remembered is put back all the same. */
	boot(BOOT_2);
	kernel_set("core", "0", "0");
	assert_int_equal(registration_look(&access_fake, machine.store, &view), 0);
	assert_int_equal(view.situation, REGISTRATION_LOST);
	assert_true(view.rebooted);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel("/var/core/%p", "8", "0");

	/* In force (sysctl.d wrote it at boot, say). */
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	boot(BOOT_1);
	assert_int_equal(registration_look(&access_fake, machine.store, &view), 0);
	assert_int_equal(view.situation, REGISTRATION_IN_FORCE);
	assert_int_equal(do_register(OTHER_LINE, NULL, false), EX_OK);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel("/var/core/%p", "8", "0");

	/* Registered anew after it: what is there now counts. */
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	boot(BOOT_2);
	kernel_set(SYSTEMD_LINE, "1024", "2");
	assert_int_equal(do_register(LINE, NULL, false), EX_OK);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel(SYSTEMD_LINE, "1024", "2");
}

static void test_nothing_is_remembered(void **state)
{
	(void)state;
	assert_int_equal(do_unregister(false), EX_OK);
	assert_int_equal(do_unregister(true), EX_OK);
	assert_string_equal(machine.order, "");
	assert_int_equal(registration_unregister(&access_fake, -1, true), EX_OK);

	kernel_set(LINE, "1024", "2");
	assert_int_equal(do_unregister(false), EX_UNAVAILABLE);
	assert_int_equal(registration_unregister(&access_fake, -1, false), EX_UNAVAILABLE);
	assert_int_equal(do_register(LINE, NULL, false), EX_UNAVAILABLE);
	assert_kernel(LINE, "1024", "2");
	assert_int_equal(do_unregister(true), EX_OK);
	assert_kernel("core", "0", "2");

	kernel_set(LINE, "1024", "2");
	assert_int_equal(do_register(OTHER_LINE, NULL, true), EX_OK);
	assert_int_equal(do_unregister(false), EX_OK);
	assert_kernel("core", "0", "2");
}

static void test_a_damaged_state_is_never_believed(void **state)
{
#define SETTINGS(pattern, limit, suid)                                   \
	"{\"core_pattern\":\"" pattern "\",\"core_pipe_limit\":\"" limit \
	"\",\"suid_dumpable\":\"" suid "\"}"
#define STATE(boot_id, previous)                                                          \
	"{\"version\":1,\"time_us\":1,\"boot_id\":\"" boot_id "\",\"previous\":" previous \
	",\"written\":" SETTINGS("|/x", "1", "") "}"
	static const char *const rows[] = {
		"",
		"[]",
		"{}",
		"{\"version\":2}",
		STATE("short", SETTINGS("core", "0", "0")),
		STATE(BOOT_1, "null"),
		STATE(BOOT_1, SETTINGS("core", "", "0")),
		STATE(BOOT_1, SETTINGS("core", "1x", "0")),
		STATE(BOOT_1, SETTINGS("core", "12345678901", "0")),
		STATE(BOOT_1, SETTINGS("core\\\\x0a|/evil", "0", "0")), /* \x0a: a line end */
		STATE(BOOT_1, SETTINGS("core\\\\x00", "0", "0")),
		STATE(BOOT_1, "{\"core_pattern\":\"a\",\"core_pattern\":\"b\","
			      "\"core_pipe_limit\":\"0\",\"suid_dumpable\":\"0\"}"),
	};
	struct registration_state parsed;
	const char *good = STATE(BOOT_1, SETTINGS("core", "-1", "0"));

	(void)state;
	assert_int_equal(registration_state_from_json(good, strlen(good), &parsed), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(registration_state_from_json(rows[i], strlen(rows[i]), &parsed),
				 -EINVAL);
		put_state(rows[i]);
		assert_int_equal(do_register(LINE, NULL, false), EX_UNAVAILABLE);
		assert_int_equal(do_unregister(false), EX_DATAERR);
		assert_kernel("core", "0", "0");
	}
	assert_int_equal(do_unregister(true), EX_OK);
	assert_false(is_remembered());
	put_state("{");
	assert_int_equal(do_register(LINE, NULL, true), EX_OK);
	put_state("{");
	assert_int_equal(do_unregister(false), EX_UNAVAILABLE);
	assert_int_equal(do_unregister(true), EX_OK);
	assert_kernel("core", "0", "0");
	assert_false(is_remembered());
}

static void test_a_kernel_that_cannot_be_read_is_left_alone(void **state)
{
	(void)state;
	put_file(paths[KERNEL_PIPE_LIMIT], "junk");
	assert_int_equal(do_register(LINE, NULL, true), EX_OSERR);
	assert_int_equal(do_unregister(true), EX_OSERR);
	put_file(paths[KERNEL_PIPE_LIMIT], "0");
	boot("no id");
	assert_int_equal(do_register(LINE, NULL, true), EX_OSERR);
	assert_string_equal(machine.order, "");
	assert_false(is_remembered());
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_there_and_back),
		TEST(test_the_pattern_is_written_last_and_taken_away_before_its_limit),
		TEST(test_suid_dumpable_is_put_back_only_if_we_changed_it),
		TEST(test_again_keeps_what_was_first),
		TEST(test_every_failing_write_is_rolled_back),
		TEST(test_a_cut_line_is_noticed_and_rolled_back),
		TEST(test_a_failed_roll_back_stays_remembered),
		TEST(test_a_run_that_was_killed_can_be_undone),
		TEST(test_what_somebody_else_wrote_is_left_alone),
		TEST(test_a_reboot_in_between),
		TEST(test_nothing_is_remembered),
		TEST(test_a_damaged_state_is_never_believed),
		TEST(test_a_kernel_that_cannot_be_read_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
