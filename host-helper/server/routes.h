/* SPDX-License-Identifier: MIT */
/*
 * What is behind which path.
 */
#pragma once

#include "request.h"

extern const struct route routes[];

/* Two functions for each, in the file of that name; of health and metrics in status-route.c. */
bool pull_route_matches(const struct server *server, const char *path);
void pull_route_begin(struct request *request, const struct request_head *head,
		      struct answer *answer);
bool api_route_matches(const struct server *server, const char *path);
void api_route_begin(struct request *request, const struct request_head *head,
		     struct answer *answer);
bool events_route_matches(const struct server *server, const char *path);
void events_route_begin(struct request *request, const struct request_head *head,
			struct answer *answer);
bool health_route_matches(const struct server *server, const char *path);
void health_route_begin(struct request *request, const struct request_head *head,
			struct answer *answer);
bool metrics_route_matches(const struct server *server, const char *path);
void metrics_route_begin(struct request *request, const struct request_head *head,
			 struct answer *answer);
bool receive_route_matches(const struct server *server, const char *path);
void receive_route_begin(struct request *request, const struct request_head *head,
			 struct answer *answer);
bool tus_upload_route_matches(const struct server *server, const char *path);
void tus_upload_route_begin(struct request *request, const struct request_head *head,
			    struct answer *answer);
bool tus_create_route_matches(const struct server *server, const char *path);
void tus_create_route_begin(struct request *request, const struct request_head *head,
			    struct answer *answer);
