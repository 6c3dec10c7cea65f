/* SPDX-License-Identifier: MIT */
/*
 * The addresses of a container in a record.  Pure.
 */
#pragma once

#include <jansson.h>

#include "addresses.h"

int addresses_to_json(const struct addresses *addresses, json_t *object);
void addresses_from_json(const json_t *object, struct addresses *addresses);
