/* SPDX-License-Identifier: MIT */
/*
 * A delivery: attempts, until the core is where it shall be, or there is no sense in another one.
 */
#pragma once

#include "delegate.h"

void delivery_run(const struct delegation *delegation);
