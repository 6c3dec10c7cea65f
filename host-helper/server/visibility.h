/* SPDX-License-Identifier: MIT */
/*
 * Who may see which crash.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "reach.h"
#include "request.h"
#include "store-index.h"
#include "tokens.h"

struct visibility {
	bool all;	 /* a token, the host's own people, or scope = any */
	bool may_delete; /* a token with that right, or root */
	bool is_own;	 /* by address and link */
	struct in6_addr address;
	struct reach reach;
};

void visibility_of(const struct request *request, enum token_right right,
		   struct visibility *ret_visibility);
bool visibility_allows(const struct visibility *visibility, const struct index_entry *entry);
bool visibility_allows_addresses(const struct visibility *visibility,
				 const struct addresses *addresses);
