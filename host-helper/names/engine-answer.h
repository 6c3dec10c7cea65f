/* SPDX-License-Identifier: MIT */
/*
 * An engine's answer about a container, and the configuration that a container was started with.
 * Pure: JSON in, facts out.
 */
#pragma once

#include <stddef.h>

#include "container-facts.h"

int engine_answer_parse(const char *json, size_t len, const char *id,
			struct container_facts *ret_facts);
int engine_bundle_parse(const char *json, size_t len, struct container_facts *ret_facts);
