/* SPDX-License-Identifier: MIT */
/*
 * The server has no privileges: whom it runs as, and the way down.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PRIVILEGES_USER_DEFAULT "coreferry"

struct privileges_user {
	uid_t uid;
	gid_t gid;
};

int privileges_parse(const char *text, struct privileges_user *ret_user, bool *ret_gid_given);
int privileges_find(const char *text, struct privileges_user *ret_user);
int privileges_drop(const struct privileges_user *user);
