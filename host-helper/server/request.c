// SPDX-License-Identifier: MIT
/*
 * A request, from its first line to its line in the log: libmicrohttpd's callbacks, and the routes.
 *
 * Everything in a request is the peer's.  Its path is only ever compared, as it was sent: nothing
 * here undoes percent-encoding, and no part of it but a checked crash id names anything.
 */
#include "request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "clock.h"
#include "fd.h"
#include "limits.h"
#include "listen.h"
#include "log.h"
#include "pull-wait.h"
#include "pull.h"
#include "receive-headers.h"
#include "receive.h"
#include "text.h"

#define LOG_METHOD_MAX 16
#define LOG_PATH_MAX   200

enum route { ROUTE_ANSWER, ROUTE_PULL, ROUTE_RECEIVE };

struct request {
	struct server *server;
	struct MHD_Connection *mhd;
	struct connection *connection;
	enum route route;
	struct answer answer; /* what is to be said, once it is known */
	uint64_t refused;     /* bytes read of a body that nobody wants */
	struct receive *receive;
	struct pull_waiter waiter;

	/* for the log */
	char *method, *path;
	uint64_t started_ms, bytes;
	unsigned status;
	const char *close_reason;
};

static struct request *request_new(struct server *server, struct MHD_Connection *mhd,
				   const char *method, const char *path)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->server = server;
	request->mhd = mhd;
	request->connection = connection_of(mhd);
	request->started_ms = clock_monotonic_ms();
	/* One word each, so that nobody can write into the other columns of the log. */
	request->method = text_percent_encode(method, strnlen(method, LOG_METHOD_MAX));
	request->path = text_percent_encode(path, strnlen(path, LOG_PATH_MAX));
	atomic_fetch_add(&server->requests, 1);
	return request;
}

static void request_free(struct request *request)
{
	atomic_fetch_sub(&request->server->requests, 1);
	receive_free(&request->receive);
	free(request->method);
	free(request->path);
	free(request);
}

/* Bytes of a body went either way: for the log and for the deadline. */
void request_moved(struct request *request, size_t bytes)
{
	request->bytes += bytes;
	connection_moved(request->connection, bytes);
}

/* Queues an answer; all of them come through here or send_answer(). */
enum MHD_Result request_queue(struct request *request, unsigned status,
			      struct MHD_Response *response)
{
	request->status = status;
	connection_set_state(request->connection, CONNECTION_SENDING);
	return MHD_queue_response(request->mhd, status, response);
}

static enum MHD_Result send_answer(struct request *request)
{
	request->status = request->answer.status;
	connection_set_state(request->connection, CONNECTION_SENDING);
	return answer_send(&request->answer, request->mhd);
}

/* --- how the body comes --- */

struct framing {
	unsigned lengths, encodings;
	bool chunked, zero, expects;
};

static enum MHD_Result count_framing(void *context, enum MHD_ValueKind kind, const char *key,
				     const char *value)
{
	struct framing *framing = context;

	(void)kind;
	if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
		framing->lengths++;
		framing->zero = value && strcmp(value, "0") == 0;
	} else if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		framing->encodings++;
		framing->chunked = value && strcasecmp(value, "chunked") == 0;
	} else if (strcasecmp(key, MHD_HTTP_HEADER_EXPECT) == 0) {
		framing->expects = true;
	}
	return MHD_YES;
}

/*
 * libmicrohttpd takes the first length of two, chunks before a length, and what it does not know as
 * "until the end": a proxy in front of us might see it otherwise (request smuggling).
 */
static bool is_framing_clear(const struct framing *framing)
{
	return framing->lengths + framing->encodings <= 1 &&
	       (framing->encodings == 0 || framing->chunked);
}

/* --- the routes --- */

static void route_core(struct request *request, const char *method, bool has_body)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		answer_set(&request->answer, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "/core can be read, and nothing else");
		request->answer.header = MHD_HTTP_HEADER_ALLOW;
		request->answer.value = "GET, HEAD";
	} else if (has_body) {
		answer_set(&request->answer, MHD_HTTP_BAD_REQUEST, "/core takes no body");
	} else {
		request->route = ROUTE_PULL;
	}
}

static void route_upload(struct request *request, const char *method, const char *id, bool zst,
			 bool has_length)
{
	if (strcmp(method, MHD_HTTP_METHOD_PUT) != 0) {
		answer_set(&request->answer, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "a core can be PUT here, and nothing else");
		request->answer.header = MHD_HTTP_HEADER_ALLOW;
		request->answer.value = "PUT";
	} else if (!has_length) {
		answer_set(&request->answer, MHD_HTTP_LENGTH_REQUIRED,
			   "wants Content-Length or Transfer-Encoding: chunked");
	} else {
		request->receive =
			receive_begin(request->server, request->mhd, id, zst, &request->answer);
		request->route = request->receive ? ROUTE_RECEIVE : ROUTE_ANSWER;
	}
}

static void route(struct request *request, const char *method, const char *path,
		  const struct framing *framing)
{
	const struct server *server = request->server;
	bool has_length = framing->lengths + framing->encodings > 0;
	char id[CRASH_ID_SIZE];
	bool zst;

	if (server->pull && strcmp(path, "/core") == 0)
		route_core(request, method, has_length && !framing->zero);
	else if (server->receive && receive_path_to_id(path, id, &zst) == 0)
		route_upload(request, method, id, zst, has_length);
	else if (server->receive && strcmp(method, MHD_HTTP_METHOD_PUT) == 0)
		answer_set(
			&request->answer, MHD_HTTP_NOT_FOUND,
			"a core is PUT as /ANYTHING/ID.core.zst or /ANYTHING/ID.core, where ID is "
			"a crash's id");
	else
		answer_set(&request->answer, MHD_HTTP_NOT_FOUND, "there is nothing here");
}

/* The headers are there. */
static enum MHD_Result begin(struct request *request, const char *method, const char *path)
{
	struct framing framing = { 0 };

	MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, count_framing, &framing);
	connection_set_state(request->connection, CONNECTION_RECEIVING);
	if (!is_framing_clear(&framing)) {
		answer_set(&request->answer, MHD_HTTP_BAD_REQUEST,
			   "wants one Content-Length, or Transfer-Encoding: chunked");
		request->answer.header = MHD_HTTP_HEADER_CONNECTION;
		request->answer.value = "close";
		return send_answer(request);
	}
	route(request, method, path, &framing);

	/* Who asks before it sends is told at once; who just sends would not hear us yet. */
	if (request->answer.status != 0 && framing.expects)
		return send_answer(request);
	return MHD_YES;
}

/* A piece of the body is there; what is left of it comes again. */
static enum MHD_Result take(struct request *request, const char *data, size_t *data_len)
{
	size_t left = *data_len;

	if (request->answer.status != 0 || request->route != ROUTE_RECEIVE) {
		request->refused += left;
		request_moved(request, left);
		*data_len = 0;
		if (request->refused > LIMIT_REFUSED_BODY) {
			request->close_reason = "refused";
			return MHD_NO;
		}
		return MHD_YES;
	}
	receive_take(request->receive, data, &left, &request->answer);
	request_moved(request, *data_len - left);
	*data_len = left;
	if (left > 0) {
		/* It unpacks to a lot: the others of this worker have their turn. */
		connection_set_state(request->connection, CONNECTION_RECEIVING);
		MHD_suspend_connection(request->mhd);
		MHD_resume_connection(request->mhd);
	}
	return MHD_YES;
}

static enum MHD_Result answer_pull(struct request *request)
{
	cleanup_crash struct crash crash;
	cleanup_core_reader struct core_reader *reader = NULL;
	uint64_t now_ms = clock_monotonic_ms();

	crash_init(&crash);
	int found = pull_find(request->server, &crash, &reader);
	if (found == PULL_FOUND)
		return pull_send(request, &crash, &reader);

	if (found == PULL_PENDING) {
		if (request->waiter.until_ms == 0)
			request->waiter.until_ms = now_ms + LIMIT_PULL_WAIT_MS;
		request->waiter.mhd = request->mhd;
		connection_set_state(request->connection, CONNECTION_OURS);
		if (now_ms < request->waiter.until_ms &&
		    pull_wait_add(request->server->pull_wait, &request->waiter))
			return MHD_YES;
	}
	if (found < 0) {
		log_error("the store cannot be read: %s", strerror(-found));
		answer_set(&request->answer, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "the store cannot be read");
	} else {
		answer_set(&request->answer, MHD_HTTP_NOT_FOUND, "no recent core");
	}
	return send_answer(request);
}

/* The whole request is there, or a pull that waited may look again. */
static enum MHD_Result end(struct request *request)
{
	if (request->answer.status == 0 && request->route == ROUTE_PULL)
		return answer_pull(request);
	if (request->answer.status == 0 && request->route == ROUTE_RECEIVE) {
		connection_set_state(request->connection, CONNECTION_OURS);
		receive_end(request->receive, &request->answer);
	}
	return send_answer(request);
}

/*
 * libmicrohttpd's MHD_AccessHandlerCallback: is called when the headers are there, for each piece
 * of the body, and at the end of the request.
 */
enum MHD_Result request_handle(void *server, struct MHD_Connection *mhd, const char *path,
			       const char *method, const char *version, const char *data,
			       size_t *data_len, void **context)
{
	struct request *request = *context;

	(void)version;
	if (!request) {
		request = request_new(server, mhd, method, path);
		*context = request;
		return request ? begin(request, method, path) : MHD_NO;
	}
	return *data_len > 0 ? take(request, data, data_len) : end(request);
}

static void log_request(const struct request *request, enum MHD_RequestTerminationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const char *how = "";
	char peer[LISTEN_TEXT_SIZE] = "?";

	if (info)
		listen_format(info->client_addr, peer);
	if (request->close_reason)
		how = request->close_reason;
	else if (connection_was_late(request->connection))
		how = "too slow";
	else if (code == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED)
		how = "silent for too long";
	else if (code == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN)
		how = "server ends";
	else if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
		how = "broken off";
	log_info("%s %s %u %" PRIu64 " bytes %" PRIu64 " ms %s%s%s",
		 request->method ? request->method : "?", request->path ? request->path : "?",
		 request->status, request->bytes, clock_monotonic_ms() - request->started_ms, peer,
		 *how ? " closed: " : "", how);
}

/* libmicrohttpd's MHD_RequestCompletedCallback: the answer is sent, or the connection broke. */
void request_completed(void *server, struct MHD_Connection *mhd, void **context,
		       enum MHD_RequestTerminationCode code)
{
	struct request *request = *context;

	(void)server;
	(void)mhd;
	if (!request)
		return;
	*context = NULL;
	log_request(request, code);
	connection_set_state(request->connection, CONNECTION_HEADERS);
	request_free(request);
}

/* libmicrohttpd's unescape callback: paths stay as they were sent. */
size_t request_keep_path(void *context, struct MHD_Connection *mhd, char *path)
{
	(void)context;
	(void)mhd;
	return strlen(path);
}
