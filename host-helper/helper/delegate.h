/* SPDX-License-Identifier: MIT */
/*
 * Handing the core over to the container: by the built-in agent, by a program of the container, or,
 * where neither can, as a file.
 */
#pragma once

#include "arguments.h"
#include "config.h"
#include "crash.h"
#include "victim.h"

struct delegation {
	const struct arguments *arguments;
	const struct config *config;
	const char
		*config_error; /* nothing is handed over under a configuration in doubt; or NULL */
	struct victim *victim;
	struct crash *crash;
	int dirfd; /* the crash's directory */
	/* Writes the record, while it goes on. */
	void (*write)(void *context);
	void *context;
};

bool delegate_is_wanted(const struct arguments *arguments, const struct config *config);
bool delegate_wants_hold(const struct delegation *delegation);
void delegate_refuse(const struct delegation *delegation, const char *reason);
void delegate_core(const struct delegation *delegation);
