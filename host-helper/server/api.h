/* SPDX-License-Identifier: MIT */
/*
 * What is below /cores, and what a path there means.  api_parse_path() is pure.
 */
#pragma once

#include <stdbool.h>

#include "crash.h"
#include "request.h"
#include "visibility.h"

enum api_what {
	API_LIST,   /* /cores */
	API_RECORD, /* /cores/ID */
	API_CORE,   /* /cores/ID/core */
	API_STORED, /* /cores/ID/core.zst */
	API_FILE,   /* /cores/ID/maps and the like */
	API_LOG,    /* /cores/ID/log: what the agent or delegate wrote */
};

struct api_path {
	enum api_what what;
	char id[CRASH_ID_SIZE];
	const char *file; /* a constant: the file's name */
};

bool api_parse_path(const char *path, struct api_path *ret_path);

void api_list(struct request *request, const struct visibility *visibility, struct answer *answer);
void api_crash_begin(struct request *request, const struct api_path *path,
		     const struct visibility *visibility, struct answer *answer);
void api_delete(struct request *request, const char *id, const struct visibility *visibility,
		struct answer *answer);
int api_find(const struct server *server, const char *id, const struct visibility *visibility,
	     bool *ret_root_only);
void *api_crash_summary(const char *id, const struct crash *crash);
void api_answer_json(struct answer *answer, unsigned status, void *json);
