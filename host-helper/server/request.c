// SPDX-License-Identifier: MIT
/*
 * A request, from its first line to its line in the log: libmicrohttpd's callbacks, and the routes.
 *
 * Everything in a request is the peer's.  Its path is only ever compared, as it was sent: nothing
 * here undoes percent-encoding, and no part of it but a checked crash id names anything.  What is
 * behind a path is in the routes' own files.
 */
#include "request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "limits.h"
#include "listen.h"
#include "log.h"
#include "routes.h"
#include "text.h"

#define LOG_METHOD_MAX 16
#define LOG_PATH_MAX   200

struct request {
	struct server *server;
	struct MHD_Connection *mhd;
	struct connection *connection;
	const struct request_work *work; /* the route's, or NULL */
	void *context;			 /* the route's own */
	struct answer answer;		 /* what is to be said, once it is known */
	uint64_t refused;		 /* bytes read of a body that nobody wants */

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
	if (request->work && request->work->free)
		request->work->free(request->context);
	answer_release(&request->answer);
	free(request->method);
	free(request->path);
	free(request);
}

/* What all requests share. */
struct server *request_server(const struct request *request)
{
	return request->server;
}

/* libmicrohttpd's connection, for its headers and the query. */
struct MHD_Connection *request_connection(const struct request *request)
{
	return request->mhd;
}

/* Says who goes on with the request after its headers; context is freed by work->free(). */
void request_set_work(struct request *request, const struct request_work *work, void *context)
{
	request->work = work;
	request->context = context;
}

/* The peer can do nothing now but wait for us: it is not late. */
void request_wait(struct request *request)
{
	connection_set_state(request->connection, CONNECTION_OURS);
}

/* It is the peer's turn again: to take what we send. */
void request_go_on(struct request *request)
{
	connection_set_state(request->connection, CONNECTION_SENDING);
}

/* Bytes of a body went either way: for the log and for the deadline. */
void request_moved(struct request *request, size_t bytes)
{
	request->bytes += bytes;
	connection_moved(request->connection, bytes);
}

/* The kernel sends so many bytes by itself: for the log. */
void request_sends(struct request *request, uint64_t bytes)
{
	request->bytes = bytes;
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
	request->bytes += request->answer.body_len;
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

static bool is_method_of(const struct route *route, const char *method)
{
	const char *found = strstr(route->methods, method);
	size_t len = strlen(method);

	/* It is a list of ours, and no method is the end of another one. */
	return len > 0 && found && (found[len] == ',' || found[len] == '\0') &&
	       (found == route->methods || found[-1] == ' ');
}

static void begin_route(struct request *request, const struct request_head *head)
{
	const struct route *route = routes;

	while (route->matches && (!route->matches(request->server, head->path) ||
				  (route->by_method && !is_method_of(route, head->method))))
		route++;
	if (!route->matches) {
		answer_set(&request->answer, MHD_HTTP_NOT_FOUND, "there is nothing here%s",
			   request->server->receive ? "; a core is PUT as /ANYTHING/ID.core.zst or "
						      "/ANYTHING/ID.core, where ID is a crash's id"
						    : "");
	} else if (!is_method_of(route, head->method)) {
		answer_set(&request->answer, MHD_HTTP_METHOD_NOT_ALLOWED, "takes %s only",
			   route->methods);
		answer_add_header(&request->answer, MHD_HTTP_HEADER_ALLOW, "%s", route->methods);
	} else if (head->has_body && !route->takes_body) {
		answer_set(&request->answer, MHD_HTTP_BAD_REQUEST, "takes no body");
	} else {
		route->begin(request, head, &request->answer);
	}
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
		answer_add_header(&request->answer, MHD_HTTP_HEADER_CONNECTION, "close");
		return send_answer(request);
	}
	const struct request_head head = {
		.method = method,
		.path = path,
		.has_length = framing.lengths + framing.encodings > 0,
		.has_body = framing.lengths + framing.encodings > 0 && !framing.zero,
	};
	begin_route(request, &head);

	/* Who asks before it sends is told at once; who just sends would not hear us yet. */
	if (request->answer.status != 0 && framing.expects)
		return send_answer(request);
	return MHD_YES;
}

/* A piece of the body is there; what is left of it comes again. */
static enum MHD_Result take(struct request *request, const char *data, size_t *data_len)
{
	size_t left = *data_len;

	if (request->answer.status != 0 || !request->work || !request->work->take) {
		request->refused += left;
		request_moved(request, left);
		*data_len = 0;
		if (request->refused > LIMIT_REFUSED_BODY) {
			request->close_reason = "refused";
			return MHD_NO;
		}
		return MHD_YES;
	}
	request->work->take(request->context, data, &left, &request->answer);
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

/* The whole request is there, or one that waited goes on. */
static enum MHD_Result end(struct request *request)
{
	if (request->answer.status == 0 && request->work && request->work->end) {
		request_wait(request);
		enum MHD_Result r = request->work->end(request, request->context, &request->answer);

		/* No answer: it has queued one, or it waits. */
		if (r != MHD_YES || request->answer.status == 0)
			return r;
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
