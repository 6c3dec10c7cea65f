/* SPDX-License-Identifier: MIT */
/*
 * Whether the container of a crashed process lives: only then can its core be handed over there.
 */
#pragma once

#include <stdbool.h>

#include "victim.h"

bool container_lives(const struct victim *victim);
