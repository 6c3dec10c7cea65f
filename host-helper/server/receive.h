/* SPDX-License-Identifier: MIT */
/*
 * The receiver: a PUT of a core becomes a crash in the directory of --receive.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "receive-headers.h"
#include "request.h"
#include "server.h"

struct receive;

struct receive *receive_begin(struct server *server, struct MHD_Connection *mhd,
			      const char *directory, const char *id, bool zst,
			      struct answer *refusal);
struct receive *receive_begin_with(struct server *server, const char *directory,
				   struct receive_headers *headers, bool zst,
				   struct answer *refusal);
void receive_take(struct receive *receive, const char *data, size_t *len, struct answer *refusal);
void receive_end(struct receive *receive, struct answer *answer);
const char *receive_body_sha256(const struct receive *receive);
void receive_free(struct receive **receive);

bool receive_authorize(struct request *request, const char **ret_directory, struct answer *refusal);
