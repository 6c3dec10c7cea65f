/* SPDX-License-Identifier: MIT */
/*
 * The end of an upload over several requests: all bytes are here, and become a crash.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>

#include "answer.h"
#include "server.h"
#include "tus-upload.h"

struct tus_finish;

struct tus_finish_job {
	struct MHD_Connection *mhd;
	struct tus_upload *upload; /* complete; the caller's, but ours until it is done */
	struct answer answer;	   /* 200 or 201: it is published */
	bool done;
	struct tus_finish_job *next;
};

int tus_finish_start(struct server *server, struct tus_finish **ret_finish);
bool tus_finish_add(struct tus_finish *finish, struct tus_finish_job *job);
void tus_finish_stop(struct tus_finish *finish);
void tus_finish_free(struct tus_finish **finish);
