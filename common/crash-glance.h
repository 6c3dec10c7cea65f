/* SPDX-License-Identifier: MIT */
/*
 * The part of a record that a list shows, read in a twentieth of the time.  Pure.
 */
#pragma once

#include <stddef.h>

#include "crash.h"

int crash_glance(char *text, struct crash *ret_crash);
