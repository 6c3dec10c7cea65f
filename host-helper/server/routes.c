// SPDX-License-Identifier: MIT
/*
 * What is behind which path: the first route that matches takes the request.
 */
#include "routes.h"

const struct route routes[] = {
	{ pull_route_matches, "GET, HEAD", false, pull_route_begin },
	{ api_route_matches, "GET, HEAD, DELETE", false, api_route_begin },
	{ events_route_matches, "GET", false, events_route_begin },
	{ health_route_matches, "GET, HEAD", false, health_route_begin },
	{ metrics_route_matches, "GET, HEAD", false, metrics_route_begin },
	{ tus_upload_route_matches, "HEAD, PATCH, DELETE, OPTIONS, POST", true,
	  tus_upload_route_begin },
	{ receive_route_matches, "PUT, OPTIONS", true, receive_route_begin },
	/* Takes what is left where the server receives. */
	{ tus_create_route_matches, "OPTIONS, POST, GET, HEAD, PUT, PATCH, DELETE", true,
	  tus_create_route_begin },
	{ .matches = NULL },
};
