// SPDX-License-Identifier: MIT
/*
 * The end of an upload over several requests.
 *
 * It is unpacked from its file like the body of a PUT, by one thread, for a large core takes many
 * seconds, and the workers have other peers.  The connection is suspended meanwhile.  If we are
 * killed the bytes are still there, and the next request for this upload comes here again.
 */
#include "tus-finish.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "receive-quota.h"
#include "receive.h"

#define READ_BYTES (256U << 10)

struct tus_finish {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct tus_finish_job *first, **last;
	atomic_bool stopping;
};

/* --- one upload --- */

static int read_headers(const struct tus_upload *upload, struct receive_headers *headers)
{
	char why[RECEIVE_WHY_SIZE];
	const char *name;
	json_t *value;
	int r = receive_headers_init(headers, upload->id);

	json_object_foreach (upload->headers, name, value)
		if (r == 0 && json_is_string(value))
			r = receive_headers_take(headers, name, json_string_value(value), why);
	memcpy(headers->any_sha256, upload->sha256, sizeof(headers->any_sha256));
	return r;
}

/* Names do not always tell: a core begins with "\177ELF". */
static bool is_zst(const struct tus_upload *upload)
{
	static const unsigned char magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };
	unsigned char start[4] = { 0 };

	return upload->zst || (pread(upload->body_fd, start, sizeof(start), 0) == 4 &&
			       memcmp(start, magic, sizeof(magic)) == 0);
}

static void feed(const struct tus_finish *finish, const struct tus_upload *upload,
		 struct receive *receive, struct answer *answer)
{
	cleanup_free char *buffer = malloc(READ_BYTES);
	off_t offset = 0;
	ssize_t n = 0;

	while (buffer && answer->status == 0 && !atomic_load(&finish->stopping) &&
	       (n = pread(upload->body_fd, buffer, READ_BYTES, offset)) > 0) {
		/* What it leaves it wants to see again. */
		for (size_t left = (size_t)n; left > 0 && answer->status == 0;) {
			size_t rest = left;

			receive_take(receive, buffer + ((size_t)n - left), &rest, answer);
			left = rest;
		}
		offset += n;
	}
	if (answer->status == 0 && (!buffer || n < 0 || atomic_load(&finish->stopping)))
		answer_set(answer, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "it could not be unpacked now; ask again");
}

static void unpack(const struct tus_finish *finish, struct tus_upload *upload,
		   struct answer *answer, char body_sha256[DIGEST_HEX_SIZE])
{
	struct receive_headers headers;
	int r = read_headers(upload, &headers);

	if (r < 0) {
		receive_headers_release(&headers);
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "the upload is damaged");
		return;
	}
	struct receive *receive = receive_begin_with(finish->server, upload->directory, &headers,
						     is_zst(upload), answer);
	if (!receive)
		return;
	feed(finish, upload, receive, answer);
	if (answer->status == 0)
		receive_end(receive, answer);
	memcpy(body_sha256, receive_body_sha256(receive), DIGEST_HEX_SIZE);
	receive_free(&receive);
}

static void finish_one(const struct tus_finish *finish, struct tus_upload *upload,
		       struct answer *answer)
{
	const struct server *server = finish->server;
	char body_sha256[DIGEST_HEX_SIZE] = "";
	int64_t used = (int64_t)tus_upload_used(upload);

	/* It does not count twice. */
	receive_quota_add(server->quota, upload->directory, 0, -1);
	unpack(finish, upload, answer, body_sha256);
	if (answer->status == MHD_HTTP_OK || answer->status == MHD_HTTP_CREATED) {
		int r = tus_upload_set_published(server->uploads_fd, upload, body_sha256);

		if (r < 0)
			log_warning("upload %s: its rest cannot be removed: %s", upload->name,
				    strerror(-r));
		receive_quota_add(server->quota, upload->directory, -used, 0);
	} else if (answer->status < 500 && !answer->headers[0].name) {
		/* It will not get better (a header tells when to try again): make room. */
		(void)tus_upload_remove(server->uploads_fd, upload->name);
		receive_quota_add(server->quota, upload->directory, -used, 0);
	} else {
		receive_quota_add(server->quota, upload->directory, 0, 1);
	}
}

/* --- the thread --- */

static void *work(void *context)
{
	struct tus_finish *finish = context;

	pthread_mutex_lock(&finish->lock);
	for (;;) {
		struct tus_finish_job *job = finish->first;

		if (!job && atomic_load(&finish->stopping))
			break;
		if (!job) {
			pthread_cond_wait(&finish->wake, &finish->lock);
			continue;
		}
		finish->first = job->next;
		if (!finish->first)
			finish->last = &finish->first;
		pthread_mutex_unlock(&finish->lock);
		if (atomic_load(&finish->stopping))
			answer_set(&job->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "the server ends");
		else
			finish_one(finish, job->upload, &job->answer);
		job->done = true;
		/* From here on it is the worker's again, and may be gone. */
		MHD_resume_connection(job->mhd);
		pthread_mutex_lock(&finish->lock);
	}
	pthread_mutex_unlock(&finish->lock);
	return NULL;
}

/* Starts the thread; server must live as long. 0 or -errno. */
int tus_finish_start(struct server *server, struct tus_finish **ret_finish)
{
	struct tus_finish *finish = calloc(1, sizeof(*finish));

	if (!finish)
		return -ENOMEM;
	finish->server = server;
	finish->last = &finish->first;
	pthread_mutex_init(&finish->lock, NULL);
	pthread_cond_init(&finish->wake, NULL);
	int r = pthread_create(&finish->thread, NULL, work, finish);
	if (r != 0) {
		free(finish);
		return -r;
	}
	*ret_finish = finish;
	return 0;
}

/*
 * Suspends the job's connection until the upload is a crash, or cannot be one; then its handler is
 * called again.  False: we are ending, and nothing was done.  Call it from the handler.
 */
bool tus_finish_add(struct tus_finish *finish, struct tus_finish_job *job)
{
	pthread_mutex_lock(&finish->lock);
	bool taken = !atomic_load(&finish->stopping);

	if (taken) {
		MHD_suspend_connection(job->mhd);
		job->next = NULL;
		*finish->last = job;
		finish->last = &job->next;
		pthread_cond_signal(&finish->wake);
	}
	pthread_mutex_unlock(&finish->lock);
	return taken;
}

/* Lets everybody go, which libmicrohttpd wants before it is stopped; what is not done stays. */
void tus_finish_stop(struct tus_finish *finish)
{
	pthread_mutex_lock(&finish->lock);
	atomic_store(&finish->stopping, true);
	pthread_cond_signal(&finish->wake);
	pthread_mutex_unlock(&finish->lock);
	pthread_join(finish->thread, NULL);
}

/* Frees it, when it is stopped and no handler can run any more. */
void tus_finish_free(struct tus_finish **finish)
{
	pthread_cond_destroy(&(*finish)->wake);
	pthread_mutex_destroy(&(*finish)->lock);
	free(*finish);
	*finish = NULL;
}
