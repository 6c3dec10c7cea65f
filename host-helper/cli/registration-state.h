/* SPDX-License-Identifier: MIT */
/*
 * What was in force before we registered, and what we wrote: STORE/registration.json.
 *
 * Only root reads and writes it; it decides what is written into the kernel's settings, so what it
 * holds is checked as if it were anyone's.
 */
#pragma once

#include <stdint.h>

#include "kernel-settings.h"

#define REGISTRATION_STATE_NAME "registration.json"
#define REGISTRATION_STATE_MAX	(16U << 10)

struct registration_state {
	char boot_id[KERNEL_BOOT_ID_SIZE]; /* of the boot in which it was written */
	uint64_t time_us;		   /* when: µs since 1970 */
	struct kernel_settings previous;   /* what unregister puts back */
	struct kernel_settings written;	   /* ours; "" where we left a setting alone */
};

int registration_state_to_json(const struct registration_state *state, char **ret_text);
int registration_state_from_json(const char *text, size_t len,
				 struct registration_state *ret_state);
int registration_state_load(int dirfd, struct registration_state *ret_state);
int registration_state_save(int dirfd, const struct registration_state *state);
int registration_state_remove(int dirfd);
