/* SPDX-License-Identifier: MIT */
/*
 * The way of a crash: admitted, captured, published, compressed, handed over; and then the house is
 * kept.
 */
#pragma once

#include <stdbool.h>

#include "arguments.h"
#include "capture.h"
#include "config.h"
#include "victim.h"

/* Where the configuration is in doubt the core is stored all the same, and nothing is handed over:
 * config_error is "" or the reason. */
bool handle_crash(const struct arguments *arguments, const struct config *config,
		  const char *config_error, struct victim *victim, struct capture *early);
