// SPDX-License-Identifier: MIT
/*
 * What /proc/PID/status, limits, stat, environ and auxv say, taken apart.  Pure.
 *
 * status is the kernel's text (it escapes line ends in the victim's name); environ is the victim's
 * memory and may be anything.  What cannot be understood is an error: rights depend on it.
 */
#include "proc.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fd.h"
#include "parse.h"

/* Splits the numbers of a line: how many there were, -E2BIG: more than max, -ERANGE: not such. */
static int numbers(char *line, uint32_t *values, size_t max)
{
	char *save = NULL;
	size_t n = 0;

	for (char *p = strtok_r(line, " \t", &save); p; p = strtok_r(NULL, " \t", &save)) {
		uint64_t value;

		if (parse_u64(p, UINT32_MAX, &value) < 0)
			return -ERANGE;
		if (n == max)
			return -E2BIG;
		values[n++] = (uint32_t)value;
	}
	return (int)n;
}

enum status_key {
	KEY_TGID,
	KEY_PID,
	KEY_UID,
	KEY_GID,
	KEY_GROUPS,
	KEY_CAP_FIRST,
	KEY_CAP_LAST = KEY_CAP_FIRST + ENTER_CAP_COUNT - 1,
	KEY_REQUIRED_COUNT,
	KEY_NSTGID = KEY_REQUIRED_COUNT,
	KEY_CORE_DUMPING,
	KEY_RSS,
	KEY_SWAP,
	KEY_SECCOMP,
	KEY_COUNT,
};

static const char *const status_keys[KEY_COUNT] = {
	[KEY_TGID] = "Tgid",
	[KEY_PID] = "Pid",
	[KEY_UID] = "Uid",
	[KEY_GID] = "Gid",
	[KEY_GROUPS] = "Groups",
	[KEY_CAP_FIRST + ENTER_CAP_INHERITABLE] = "CapInh",
	[KEY_CAP_FIRST + ENTER_CAP_PERMITTED] = "CapPrm",
	[KEY_CAP_FIRST + ENTER_CAP_EFFECTIVE] = "CapEff",
	[KEY_CAP_FIRST + ENTER_CAP_BOUNDING] = "CapBnd",
	[KEY_CAP_FIRST + ENTER_CAP_AMBIENT] = "CapAmb",
	[KEY_NSTGID] = "NStgid",
	[KEY_CORE_DUMPING] = "CoreDumping",
	[KEY_RSS] = "VmRSS",
	[KEY_SWAP] = "VmSwap",
	[KEY_SECCOMP] = "Seccomp",
};

static bool parse_line(enum status_key key, char *value, struct proc_status *s)
{
	uint32_t list[64]; /* pid namespaces nest 32 deep at most */
	int n;

	value += strspn(value, " \t");
	switch (key) {
	case KEY_TGID:
		return numbers(value, &s->tgid, 1) == 1;
	case KEY_PID:
		return numbers(value, &s->pid, 1) == 1;
	case KEY_UID:
		return numbers(value, s->uid, 4) == 4;
	case KEY_GID:
		return numbers(value, s->gid, 4) == 4;
	case KEY_GROUPS:
		n = numbers(value, s->groups, ENTER_GROUPS_MAX);
		s->group_count = n > 0 ? (uint32_t)n : 0;
		s->too_many_groups = n == -E2BIG;
		return n >= 0 || s->too_many_groups;
	case KEY_SECCOMP:
		return numbers(value, &s->seccomp_mode, 1) == 1;
	case KEY_NSTGID:
		n = numbers(value, list, 64);
		if (n > 0)
			s->innermost_pid = list[n - 1];
		return n > 0;
	case KEY_RSS:
	case KEY_SWAP:
		value[strcspn(value, " ")] = '\0'; /* "kB" */
		return parse_u64(value, UINT64_MAX >> 10,
				 key == KEY_RSS ? &s->resident_kib : &s->swapped_kib) == 0;
	case KEY_CORE_DUMPING:
		s->core_dumping_known = true;
		s->core_dumping = value[0] == '1';
		return true;
	default:
		return parse_hex_u64(value, &s->caps[key - KEY_CAP_FIRST]) == 0;
	}
}

/* Reads the text of /proc/PID/status.  -EINVAL: a line that we need is missing or odd; -ENOMEM. */
int proc_status_parse(const char *text, struct proc_status *ret_status)
{
	cleanup_free char *copy = strdup(text);
	cleanup_free struct proc_status *s = calloc(1, sizeof(*s));
	bool seen[KEY_COUNT] = { false };
	char *save = NULL;

	if (!copy || !s)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = '\0';
		for (int key = 0; key < KEY_COUNT; key++) {
			if (seen[key] || strcmp(line, status_keys[key]) != 0)
				continue;
			if (!parse_line((enum status_key)key, colon + 1, s))
				return -EINVAL;
			seen[key] = true;
		}
	}
	for (int key = 0; key < KEY_REQUIRED_COUNT; key++)
		if (!seen[key])
			return -EINVAL;
	*ret_status = *s;
	return 0;
}

/* The names in /proc/PID/limits, which are as old as it is. */
static const char *const limit_names[ENTER_LIMIT_COUNT] = {
	[RLIMIT_CPU] = "Max cpu time",
	[RLIMIT_FSIZE] = "Max file size",
	[RLIMIT_DATA] = "Max data size",
	[RLIMIT_STACK] = "Max stack size",
	[RLIMIT_CORE] = "Max core file size",
	[RLIMIT_RSS] = "Max resident set",
	[RLIMIT_NPROC] = "Max processes",
	[RLIMIT_NOFILE] = "Max open files",
	[RLIMIT_MEMLOCK] = "Max locked memory",
	[RLIMIT_AS] = "Max address space",
	[RLIMIT_LOCKS] = "Max file locks",
	[RLIMIT_SIGPENDING] = "Max pending signals",
	[RLIMIT_MSGQUEUE] = "Max msgqueue size",
	[RLIMIT_NICE] = "Max nice priority",
	[RLIMIT_RTPRIO] = "Max realtime priority",
	[RLIMIT_RTTIME] = "Max realtime timeout",
};

static bool parse_limit(const char *text, uint64_t *ret_value)
{
	if (!text)
		return false;
	if (strcmp(text, "unlimited") != 0)
		return parse_u64(text, UINT64_MAX, ret_value) == 0;
	*ret_value = UINT64_MAX;
	return true;
}

/* Which limit the line is of, and its values behind the name; -1: none that we know. */
static int find_limit(const char *line, const char **ret_values)
{
	for (int i = 0; i < ENTER_LIMIT_COUNT; i++) {
		size_t len = strlen(limit_names[i]);

		if (strncmp(line, limit_names[i], len) == 0 && line[len] == ' ') {
			*ret_values = line + len;
			return i;
		}
	}
	return -1;
}

/*
 * Reads the text of /proc/PID/limits.  -EINVAL: a limit is missing, twice there, or odd; -ENOMEM.
 * See: proc_pid_limits(5).
 */
int proc_limits_parse(const char *text, struct enter_limit ret_limits[ENTER_LIMIT_COUNT])
{
	struct enter_limit limits[ENTER_LIMIT_COUNT];
	cleanup_free char *copy = strdup(text);
	char *save = NULL, *values_save = NULL;
	unsigned seen = 0;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *values = line;
		int i = find_limit(line, &values);

		if (i < 0)
			continue;
		char *rest = line + (values - line);
		if ((seen >> i & 1) != 0 ||
		    !parse_limit(strtok_r(rest, " ", &values_save), &limits[i].soft) ||
		    !parse_limit(strtok_r(NULL, " ", &values_save), &limits[i].hard))
			return -EINVAL;
		seen |= 1U << i;
	}
	if (seen != (1U << ENTER_LIMIT_COUNT) - 1)
		return -EINVAL;
	memcpy(ret_limits, limits, sizeof(limits));
	return 0;
}

/*
 * Reads the text of /proc/PID/stat, from the last ')': the name before it is the victim's.
 * -EINVAL: it is not such a text.  See: proc_pid_stat(5).
 */
int proc_stat_parse(const char *text, struct proc_stat *ret_stat)
{
	enum { NICE = 19, START_TIME = 22, POLICY = 41 }; /* as the man page counts */
	const char *end = strrchr(text, ')');
	cleanup_free char *copy = end ? strdup(end + 1) : NULL;
	char *save = NULL;
	struct proc_stat stat = { 0 };
	uint64_t value;
	int field = 3;

	if (!copy)
		return end ? -ENOMEM : -EINVAL;
	for (char *p = strtok_r(copy, " \n", &save); p; p = strtok_r(NULL, " \n", &save), field++) {
		if (field == NICE) {
			bool negative = *p == '-';

			if (parse_u64(p + negative, negative ? 20 : 19, &value) < 0)
				return -EINVAL;
			stat.nice = negative ? -(int32_t)value : (int32_t)value;
		} else if (field == START_TIME) {
			if (parse_u64(p, UINT64_MAX, &stat.start_time) < 0)
				return -EINVAL;
		} else if (field == POLICY) {
			if (parse_u64(p, UINT32_MAX, &value) < 0)
				return -EINVAL;
			stat.scheduler = (uint32_t)value;
			*ret_stat = stat;
			return 0;
		}
	}
	return -EINVAL;
}

/* The value of a variable in the bytes of /proc/PID/environ (a part of data), or NULL. */
const char *proc_environ_get(const char *data, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i < len;) {
		size_t n = strnlen(data + i, len - i);

		if (i + n == len)
			return NULL; /* no NUL behind it: cut off */
		if (n > name_len && data[i + name_len] == '=' &&
		    memcmp(data + i, name, name_len) == 0)
			return data + i + name_len + 1;
		i += n + 1;
	}
	return NULL;
}

/*
 * AT_SECURE of /proc/PID/auxv: the program gained rights when it was started.  True too where it
 * cannot be found.  See: getauxval(3).
 */
bool proc_auxv_is_secure(const void *data, size_t len)
{
	Elf64_auxv_t wide;
	Elf32_auxv_t narrow;

	/* Pairs of 64 bits, or of 32 for a 32-bit program: types are small, so a large one tells.
	 */
	for (size_t i = 0; i + sizeof(wide) <= len; i += sizeof(wide)) {
		memcpy(&wide, (const char *)data + i, sizeof(wide));
		if (wide.a_type > 0xffff)
			break;
		if (wide.a_type == AT_SECURE)
			return wide.a_un.a_val != 0;
		if (wide.a_type == AT_NULL)
			return true;
	}
	for (size_t i = 0; i + sizeof(narrow) <= len; i += sizeof(narrow)) {
		memcpy(&narrow, (const char *)data + i, sizeof(narrow));
		if (narrow.a_type == AT_SECURE)
			return narrow.a_un.a_val != 0;
	}
	return true;
}
