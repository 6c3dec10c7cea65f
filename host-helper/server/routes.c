// SPDX-License-Identifier: MIT
/*
 * What is behind which path: the first route that matches takes the request.
 */
#include "routes.h"

const struct route routes[] = {
	{ tus_upload_route_matches, "HEAD, PATCH, DELETE, OPTIONS, POST", false, true,
	  tus_upload_route_begin },
	/* On every path, where the server receives: those of cores take no POST. */
	{ tus_create_route_matches, "OPTIONS, POST", true, true, tus_create_route_begin },
	{ pull_route_matches, "GET, HEAD", false, false, pull_route_begin },
	{ api_route_matches, "GET, HEAD, DELETE", false, false, api_route_begin },
	{ events_route_matches, "GET", false, false, events_route_begin },
	{ health_route_matches, "GET, HEAD", false, false, health_route_begin },
	{ metrics_route_matches, "GET, HEAD", false, false, metrics_route_begin },
	{ receive_route_matches, "PUT", false, true, receive_route_begin },
	{ .matches = NULL },
};
