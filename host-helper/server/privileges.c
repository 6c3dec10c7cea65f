// SPDX-License-Identifier: MIT
/*
 * The server has no privileges: whom it runs as, and the way down.
 *
 * The user's name comes from the operator.  A step that fails, or that did not do what it said, is
 * an error for the caller, who must not go on.
 */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "parse.h"

/*
 * Reads "UID" or "UID:GID"; *ret_gid_given tells which.  Pure.
 * -EINVAL: not numbers; -ERANGE: not ids (the highest number means "no change" to the kernel).
 */
int privileges_parse(const char *text, struct privileges_user *ret_user, bool *ret_gid_given)
{
	const char *colon = strchr(text, ':');
	char uid_text[16];
	uint64_t uid, gid = 0;
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len >= sizeof(uid_text))
		return -EINVAL;
	memcpy(uid_text, text, len);
	uid_text[len] = '\0';
	int r = parse_u64(uid_text, UINT32_MAX - 1, &uid);
	if (r == 0 && colon)
		r = parse_u64(colon + 1, UINT32_MAX - 1, &gid);
	if (r < 0)
		return r;
	*ret_user = (struct privileges_user){ (uid_t)uid, (gid_t)gid };
	*ret_gid_given = colon != NULL;
	return 0;
}

/*
 * Finds a user: a name of the passwd database, UID, or UID:GID, which needs no entry there (nor
 * does UID, whose group then has the same number). -ENOENT: no such user; -EPERM: it is root;
 * -EINVAL, -ERANGE: neither a name nor an id; -errno.
 */
int privileges_find(const char *text, struct privileges_user *ret_user)
{
	struct privileges_user user;
	bool gid_given = false;
	int r = privileges_parse(text, &user, &gid_given);

	if (r == -ERANGE || (r < 0 && (text[0] == '\0' || strchr(text, ':'))))
		return r;
	if (!gid_given) {
		errno = 0;
		const struct passwd *entry = r == 0 ? getpwuid(user.uid) : getpwnam(text);

		if (!entry && r < 0)
			return errno == 0 || errno == ESRCH ? -ENOENT : -errno;
		if (entry)
			user = (struct privileges_user){ entry->pw_uid, entry->pw_gid };
		else
			user.gid = (gid_t)user.uid;
	}
	if (user.uid == 0 || user.gid == 0)
		return -EPERM;
	*ret_user = user;
	return 0;
}

static bool has_any(const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return true;
	return false;
}

/* What an ordinary user was started with (CAP_NET_BIND_SERVICE, say) is done with once we listen.
 */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	/* The unit's filter of system calls has no capset(2), and there we have none. */
	if (!has_any(data))
		return 0;
	memset(data, 0, sizeof(data));
	if (syscall(SYS_capset, &header, data) < 0 || syscall(SYS_capget, &header, data) < 0)
		return -errno;
	return has_any(data) ? -EPERM : 0;
}

static int drop_ids(const struct privileges_user *user)
{
	uid_t uid[3];
	gid_t gid[3];

	if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return -errno;
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (uid[i] != user->uid || gid[i] != user->gid)
			return -EPERM;
	return getgroups(0, NULL) == 0 ? 0 : -EPERM;
}

/*
 * Becomes user (NULL: stays who we are), and gives up for good: capabilities, gaining rights by
 * exec, and dumping core, since a core of this process would hold pieces of everybody's.
 * 0, or -errno: then some may be left, and the caller must end.  See: credentials(7), prctl(2).
 */
int privileges_drop(const struct privileges_user *user)
{
	const struct rlimit no_core = { 0, 0 };
	int r = user ? drop_ids(user) : 0;

	if (r == 0)
		r = drop_capabilities();
	if (r < 0)
		return r;
	if (geteuid() == 0 || getuid() == 0)
		return -EPERM;
	/* Changing ids sets the dumpable flag anew, so it comes last. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return errno ? -errno : -EPERM;
	return 0;
}
