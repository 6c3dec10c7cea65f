/* SPDX-License-Identifier: MIT */
/*
 * Deliveries whose helper was stopped in the middle: what is kept for them, and who goes on.
 */
#pragma once

#include "config.h"
#include "delegate.h"

void delivery_keep(struct delegation *delegation);
void delivery_forget(struct delegation *delegation);
void delivery_left_over(const struct config *config, const char *config_error);
