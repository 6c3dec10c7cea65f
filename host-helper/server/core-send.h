/* SPDX-License-Identifier: MIT */
/*
 * A core as the answer to a request: raw, or as it is stored; the whole, or a part.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "answer.h"
#include "crash.h"
#include "request.h"

enum core_form {
	CORE_FORM_RAW,	  /* the core; or its zstd, if the client says that it takes that */
	CORE_FORM_STORED, /* the file core.zst */
};

int core_send_open(const struct server *server, const char *id, int *ret_dirfd,
		   struct crash *ret_crash);
enum MHD_Result core_send(struct request *request, int *dirfd, const struct crash *crash,
			  enum core_form form, struct answer *answer);
