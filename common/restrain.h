/* SPDX-License-Identifier: MIT */
/*
 * What binds a child of ours before it enters: the victim's cgroup, and a priority below it.
 */
#pragma once

#include "enter.h"

int restrain_process(const struct enter_plan *plan, bool is_ours, enum enter_step *ret_step);
