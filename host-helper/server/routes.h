/* SPDX-License-Identifier: MIT */
/*
 * What is behind which path.
 */
#pragma once

#include "request.h"

extern const struct route routes[];

/* One function each, in the file of the same name. */
bool pull_route_matches(const struct server *server, const char *path);
void pull_route_begin(struct request *request, const struct request_head *head,
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
