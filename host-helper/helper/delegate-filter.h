/* SPDX-License-Identifier: MIT */
/*
 * The seccomp filter of a program of the container, whose victim ran under one.
 */
#pragma once

#include "enter.h"

int delegate_filter_apply(const struct enter_plan *plan);
