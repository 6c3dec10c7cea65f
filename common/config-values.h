/* SPDX-License-Identifier: MIT */
/*
 * The values of coreferry.conf, one setter per kind of value.  Pure.  0; -EINVAL, and error tells
 * what is wanted; -ENOMEM.
 */
#pragma once

#include "config.h"

int config_set_string(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_path(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_bool(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_duration(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_size(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_count(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_slots(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_share(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_rate(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_hold(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_patterns(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_url(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_encoding(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
int config_set_scope(void *field, const char *value, char error[CONFIG_ERROR_SIZE]);
void config_patterns_release(char **patterns);
