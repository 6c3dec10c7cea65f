/* SPDX-License-Identifier: MIT */
/*
 * A pid namespace for one delegate, below the container's: what is born in it ends with its init,
 * whatever it does.
 */
#pragma once

#include <sys/types.h>

#include "enter.h"

int delegate_namespace_make(const struct enter_plan *plan, pid_t *ret_init, int *ret_fd,
			    enum enter_step *ret_step);
