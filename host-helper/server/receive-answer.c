// SPDX-License-Identifier: MIT
/*
 * What the peer is told of its upload.
 */
#include "receive-answer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "limits.h"
#include "log.h"

/* Of an error, as the peer is told; what is the host's matter is logged. */
void receive_answer_error(const struct receive_headers *headers, int error, struct answer *answer)
{
	switch (error) {
	case -EBADMSG:
		answer_set(answer, MHD_HTTP_BAD_REQUEST,
			   "the body is not zstd, is damaged, or ends in the middle");
		return;
	case -ENODATA:
		answer_set(answer, MHD_HTTP_BAD_REQUEST, "there is no core in the body");
		return;
	case -EOVERFLOW:
		answer_set(answer, MHD_HTTP_BAD_REQUEST,
			   "the zstd frames want a window of more than %u MiB",
			   (1U << LIMIT_WINDOW_LOG) >> 20);
		return;
	case -EMSGSIZE:
		if (headers->seen & 1U << CORE_HEADER_SIZE)
			answer_set(answer, MHD_HTTP_BAD_REQUEST,
				   "the core is larger than X-Core-Size says");
		else
			answer_set(answer, MHD_HTTP_CONTENT_TOO_LARGE,
				   "the core is larger than %llu bytes", LIMIT_RAW_BYTES);
		return;
	case -EBUSY:
		receive_answer_retry(answer, MHD_HTTP_SERVICE_UNAVAILABLE,
				     "too many uploads at once");
		return;
	case -EFBIG:
		answer_set(answer, MHD_HTTP_CONTENT_TOO_LARGE,
			   "the core is larger than all that may be kept here");
		return;
	case -EDQUOT:
		answer_set(answer, MHD_HTTP_INSUFFICIENT_STORAGE,
			   "as much as may be kept here is here");
		return;
	case -ENOSPC:
		answer_set(answer, MHD_HTTP_INSUFFICIENT_STORAGE, "the disk is full");
		log_error("crash %s: not received: the disk is full", headers->crash.id);
		return;
	default:
		answer_set(answer, MHD_HTTP_INTERNAL_SERVER_ERROR, "it cannot be stored");
		log_error("crash %s: cannot be received: %s", headers->crash.id, strerror(-error));
	}
}

/* To be tried again soon. */
void receive_answer_retry(struct answer *answer, unsigned status, const char *text)
{
	answer_set(answer, status, "%s", text);
	answer_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "5");
}

/* It is there. */
void receive_answer_stored(const struct receive_headers *headers, unsigned status, uint64_t size,
			   const char *sha256, struct answer *answer)
{
	answer_set(answer, status, "{\"id\":\"%s\",\"size\":%" PRIu64 ",\"sha256\":\"%s\"}",
		   headers->crash.id, size, sha256);
	answer->type = "application/json";
}

/* Another core has this id. */
void receive_answer_other(struct answer *answer)
{
	answer_set(answer, MHD_HTTP_CONFLICT, "another core is there under this id");
}
