/* SPDX-License-Identifier: MIT */
/*
 * What we write into kernel.core_pattern.  See: core(5).
 */
#pragma once

/* The kernel keeps 128 bytes with the NUL, and cuts what is longer without a word. */
#define CORE_PATTERN_MAX 127
/* What stands behind the helper's path (and its -C FILE), before a delegate. */
#define CORE_PATTERN_ARGUMENTS "-s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g"
