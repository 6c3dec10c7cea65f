/* SPDX-License-Identifier: MIT */
/*
 * Whose word a container's cgroup is: who could have made it up.
 */
#pragma once

#include <stdint.h>

#include "container.h"

uint32_t container_owner(const struct container *container);
