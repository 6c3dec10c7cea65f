/* SPDX-License-Identifier: MIT */
/*
 * The plan by which an agent or a delegate gets the victim's rights.
 */
#pragma once

#include "victim.h"

void victim_plan_make(struct victim *victim);
