/* SPDX-License-Identifier: MIT */
/*
 * Through which of the host's interfaces an address is reached now.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct reach {
	bool is_local; /* it is an address of the host itself */
	uint32_t link; /* the interface, or 0 */
	uint32_t port; /* if that is a bridge: its port that the address is behind, or 0 */
};

int reach_find(const struct in6_addr *address, uint32_t scope, struct reach *ret_reach);
