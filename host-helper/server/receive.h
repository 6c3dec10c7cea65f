/* SPDX-License-Identifier: MIT */
/*
 * The receiver: a PUT of a core becomes a crash in the directory of --receive.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "server.h"

struct receive;

int receive_open(const char *path, struct store *ret_received);
int receive_prepare(const struct store *received);

struct receive *receive_begin(struct server *server, struct MHD_Connection *mhd, const char *id,
			      bool zst, struct answer *refusal);
void receive_take(struct receive *receive, const char *data, size_t *len, struct answer *refusal);
void receive_end(struct receive *receive, struct answer *answer);
void receive_free(struct receive **receive);
