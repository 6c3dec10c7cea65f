/* SPDX-License-Identifier: MIT */
/*
 * The name of a core file by its template, with the specifiers of core(5).  Pure but for the
 * environment.
 */
#pragma once

#define FILE_NAME_ERROR_SIZE 256

int file_name_make(const char *url, const char *id, char **ret_path,
		   char error[FILE_NAME_ERROR_SIZE]);
