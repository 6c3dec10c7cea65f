/* SPDX-License-Identifier: MIT */
/*
 * What the agent can still do once it is in the container.
 */
#pragma once

int confine(void);
