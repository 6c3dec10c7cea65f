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
	int dirfd;    /* the crash's directory */
	int storefd;  /* the store's */
	int state_fd; /* delivery_keep(): of what is kept for another helper, or -1 */
	/* Of one that another helper has begun: */
	bool is_again;
	uint64_t first_us;  /* when: CLOCK_MONOTONIC */
	const char *resume; /* what it left half there, or NULL */
	/* Writes the record, while it goes on. */
	void (*write)(void *context);
	void *context;
};

bool delegate_is_wanted(const struct arguments *arguments, const struct config *config);
bool delegate_wants_hold(const struct delegation *delegation);
void delegate_refuse(const struct delegation *delegation, const char *reason);
void delegate_prepare(struct delegation *delegation);
void delegate_core(const struct delegation *delegation);
void delegate_end(struct delegation *delegation);
