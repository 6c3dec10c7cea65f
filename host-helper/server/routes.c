// SPDX-License-Identifier: MIT
/*
 * What is behind which path: the first route that matches takes the request.
 */
#include "routes.h"

const struct route routes[] = {
	{ pull_route_matches, "GET, HEAD", false, pull_route_begin },
	{ receive_route_matches, "PUT", true, receive_route_begin },
	{ .matches = NULL },
};
