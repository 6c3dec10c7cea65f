/* SPDX-License-Identifier: MIT */
/*
 * The victim's cgroups, pinned so that a child can join them.
 */
#pragma once

#include "victim.h"

int victim_cgroup_pin(struct victim *victim);
void victim_cgroup_tidy(const struct victim *victim);
