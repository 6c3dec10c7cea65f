/* SPDX-License-Identifier: MIT */
/*
 * The server's life after its start: signals, reloads, and what is to be done now and then.
 */
#pragma once

#include "generation.h"

int run(struct base *base);
