/* SPDX-License-Identifier: MIT */
/*
 * Whether a path is root's all the way up, so that nobody else can put something else in its place.
 *
 * The path is the operator's argument; what lies on it may be anyone's, and that is the question.
 */
#pragma once

#define SAFE_PATH_ERROR_SIZE 512

enum safe_path_kind {
	SAFE_PATH_PROGRAM,   /* root runs it: root's own, and every directory above it, too */
	SAFE_PATH_FILE,	     /* root, or the caller, reads it: /tmp and the like may be above it */
	SAFE_PATH_DIRECTORY, /* the same, for what is kept in it */
};

int safe_path_check(const char *path, enum safe_path_kind kind, char **ret_real,
		    char error[SAFE_PATH_ERROR_SIZE]);
