// SPDX-License-Identifier: MIT
/*
 * GET /cores/ID and what is below it; DELETE /cores/ID.
 *
 * The files are what /proc said at the crash, and hold what the victim chose: they are sent as
 * plain text that no browser looks into.  What the peer may not see is answered as what is not
 * there.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "core-send.h"
#include "fd.h"
#include "limits.h"
#include "log.h"
#include "removal.h"

static void answer_unknown(struct answer *answer)
{
	answer_set(answer, MHD_HTTP_NOT_FOUND, "there is no such crash");
}

static void answer_error(const char *id, int r, struct answer *answer)
{
	if (r == -ENOENT) {
		answer_unknown(answer);
	} else if (r == -EACCES || r == -EPERM) {
		answer_set(answer, MHD_HTTP_FORBIDDEN, "that is for the host's root only");
	} else {
		log_error("crash %s: cannot be read: %s", id, strerror(-r));
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "it cannot be read");
	}
}

static void send_file(const char *id, int dirfd, const char *name, const char *type,
		      struct answer *answer)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = file_read_at(dirfd, name, LIMIT_FILE_BYTES, &text, &len);

	if (r == -ENOENT)
		answer_set(answer, MHD_HTTP_NOT_FOUND, "this crash has no such file");
	else if (r < 0)
		answer_error(id, r, answer);
	else
		answer_take_body(answer, MHD_HTTP_OK, type, &text, len);
}

static void send_log(const struct crash *crash, struct answer *answer)
{
	cleanup_free char *text = strdup(crash->output ? crash->output : "");
	size_t len = text ? strlen(text) : 0;

	if (text)
		answer_take_body(answer, MHD_HTTP_OK, "text/plain; charset=utf-8", &text, len);
	else
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
}

static void send_part(const struct api_path *path, int dirfd, const struct crash *crash,
		      struct answer *answer)
{
	if (path->what == API_RECORD)
		send_file(path->id, dirfd, CRASH_JSON_NAME, "application/json", answer);
	else if (path->what == API_LOG)
		send_log(crash, answer);
	else
		send_file(path->id, dirfd, path->file, "text/plain; charset=utf-8", answer);
}

struct core_request {
	struct api_path path;
	struct crash crash;
	int dirfd;
};

static enum MHD_Result end(struct request *request, void *context, struct answer *answer)
{
	struct core_request *core = context;

	return core_send(request, &core->dirfd, &core->crash,
			 core->path.what == API_CORE ? CORE_FORM_RAW : CORE_FORM_STORED, answer);
}

static void free_core(void *context)
{
	struct core_request *core = context;

	fd_close(&core->dirfd);
	crash_release(&core->crash);
	free(core);
}

static const struct request_work core_work = { .end = end, .free = free_core };

static void begin_core(struct request *request, const struct api_path *path, int *dirfd,
		       struct crash *crash, struct answer *answer)
{
	struct core_request *core = crash->core_file ? calloc(1, sizeof(*core)) : NULL;

	if (!core) {
		answer_set(answer, MHD_HTTP_NOT_FOUND, "this crash has no core");
		return;
	}
	core->path = *path;
	core->dirfd = fd_steal(dirfd);
	core->crash = *crash;
	crash_init(crash);
	request_set_work(request, &core_work, core);
}

/* Answers with a part of a crash, or, where it is the core, begins to. */
void api_crash_begin(struct request *request, const struct api_path *path,
		     const struct visibility *visibility, struct answer *answer)
{
	const struct server *server = request_server(request);
	cleanup_crash struct crash crash;
	cleanup_fd int dirfd = -1;
	bool root_only = true;

	crash_init(&crash);
	int r = api_find(server, path->id, visibility, &root_only);
	if (r == 0 && root_only && path->what == API_RECORD) {
		api_answer_json(answer, MHD_HTTP_OK, api_crash_summary(path->id, NULL));
		return;
	}
	if (r == 0)
		r = root_only ? -EACCES : core_send_open(server, path->id, &dirfd, &crash);
	if (r < 0)
		answer_error(path->id, r, answer);
	else if (path->what == API_CORE || path->what == API_STORED)
		begin_core(request, path, &dirfd, &crash, answer);
	else
		send_part(path, dirfd, &crash, answer);
}

/*
 * Asks root's programs to remove a crash, and shows it to nobody any more: this process cannot
 * write in the store, and is not to be able to.
 */
void api_delete(struct request *request, const char *id, const struct visibility *visibility,
		struct answer *answer)
{
	const struct server *server = request_server(request);
	bool root_only;

	if (!visibility->may_delete) {
		answer_set(answer, MHD_HTTP_FORBIDDEN, "removing wants a token with that right");
		return;
	}
	if (api_find(server, id, visibility, &root_only) < 0) {
		answer_unknown(answer);
		return;
	}
	int r = removal_request(&server->store, id);
	if (r < 0) {
		log_error("crash %s: its removal cannot be asked for: %s", id, strerror(-r));
		answer_set(answer, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "its removal cannot be asked for on this host");
		return;
	}
	(void)store_index_delete(server->index, id);
	answer_set(answer, MHD_HTTP_ACCEPTED, "{\"id\":\"%s\",\"removed\":true}", id);
	answer->type = "application/json";
}
