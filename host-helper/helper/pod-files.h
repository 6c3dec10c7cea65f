/* SPDX-License-Identifier: MIT */
/*
 * What files of the host tell of a container of Kubernetes.
 */
#pragma once

#include "container-facts.h"

int pod_files_open_bundle(const char *id);
int pod_files_find_log(const char *directory, const char *id, struct container_facts *ret_facts);
int pod_files_parse_log(const char *name, const char *id, struct container_facts *ret_facts);

#define POD_FILES_LOGS "/var/log/containers"
