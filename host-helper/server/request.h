/* SPDX-License-Identifier: MIT */
/*
 * A request, from its first line to its line in the log: libmicrohttpd's callbacks, and the routes.
 */
#pragma once

#include <microhttpd.h>
#include <stddef.h>

#include "server.h"

struct request;

enum MHD_Result request_handle(void *server, struct MHD_Connection *mhd, const char *path,
			       const char *method, const char *version, const char *data,
			       size_t *data_len, void **context);
void request_completed(void *server, struct MHD_Connection *mhd, void **context,
		       enum MHD_RequestTerminationCode code);
size_t request_keep_path(void *context, struct MHD_Connection *mhd, char *path);

enum MHD_Result request_queue(struct request *request, unsigned status,
			      struct MHD_Response *response);
void request_moved(struct request *request, size_t bytes);
