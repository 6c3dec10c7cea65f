// SPDX-License-Identifier: MIT
/*
 * The core as it stands on stdin, in the form that the endpoint shall have.
 *
 * What stands in the environment (CORE_ENCODING, CORE_SIZE, CORE_SHA256 and the same of the raw
 * core) is the helper's word, or by hand the caller's.  The bytes are the attacker's: libzstd
 * unpacks them here, in the container, with the victim's rights.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "fd.h"
#include "parse.h"

#define BLOCK_BYTES (128U << 10)
/* The helper's frames want 1 MiB; a made-up one could ask for 2 GiB. */
#define WINDOW_LOG_MAX 22

struct source_unpacker {
	ZSTD_DStream *stream;
	ZSTD_inBuffer in;
	bool is_between; /* at the end of a frame: here the file may end */
	char block[BLOCK_BYTES];
};

static int unpacker_new(struct source_unpacker **ret_unpacker)
{
	struct source_unpacker *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->stream = ZSTD_createDStream();
	if (!u->stream ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(u->stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDStream(u->stream);
		free(u);
		return -ENOMEM;
	}
	u->in.src = u->block;
	u->is_between = true;
	*ret_unpacker = u;
	return 0;
}

static void unpacker_free(struct source_unpacker *u)
{
	if (u)
		ZSTD_freeDStream(u->stream);
	free(u);
}

static ssize_t read_some(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Some bytes, at least one; 0: the end. */
static ssize_t unpack(struct source_unpacker *u, int fd, void *buf, size_t len)
{
	ZSTD_outBuffer out = { buf, len, 0 };

	while (out.pos == 0) {
		if (u->in.pos == u->in.size) {
			ssize_t n = read_some(fd, u->block, sizeof(u->block));

			if (n < 0)
				return n;
			u->in = (ZSTD_inBuffer){ u->block, (size_t)n, 0 };
		}
		/* Also without new bytes: what did not fit the last time is still within. */
		bool is_end = u->in.size == 0;
		size_t left = ZSTD_decompressStream(u->stream, &out, &u->in);
		if (ZSTD_isError(left))
			return -EBADMSG;
		if (left == 0)
			u->is_between = true;
		else if (!is_end || out.pos > 0)
			u->is_between = false;
		if (is_end && out.pos == 0)
			return u->is_between ? 0 : -EBADMSG;
	}
	return (ssize_t)out.pos;
}

static int parse_size_variable(const char *name, struct source *s, char error[SOURCE_ERROR_SIZE])
{
	const char *text = getenv(name);

	if (!text || !*text)
		return 0;
	if (parse_u64(text, INT64_MAX, &s->size) < 0) {
		snprintf(error, SOURCE_ERROR_SIZE, "%s: not a number of bytes", name);
		return -EINVAL;
	}
	s->has_size = true;
	return 0;
}

static int parse_digest_variable(const char *name, struct source *s, char error[SOURCE_ERROR_SIZE])
{
	const char *text = getenv(name);
	char header[DIGEST_HEADER_SIZE];

	if (!text || !*text)
		return 0;
	if (digest_hex_to_header(text, header) < 0) {
		snprintf(error, SOURCE_ERROR_SIZE, "%s: not a SHA-256 in hexadecimal", name);
		return -EINVAL;
	}
	memcpy(s->sha256, text, sizeof(s->sha256));
	return 0;
}

/* By hand, from a file, its size is known without being told. */
static void measure(struct source *s)
{
	struct stat st;

	if (!s->has_size && !s->unpacker && fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    lseek(s->fd, 0, SEEK_CUR) == 0) {
		s->size = (uint64_t)st.st_size;
		s->has_size = true;
	}
}

/*
 * Describes what is on fd (which stays the caller's) by the environment: CORE_ENCODING is its form.
 * wanted_encoding "identity" unpacks; "zstd" gives it as it is: what is stored raw stays raw
 * (is_raw tells).  -EINVAL: the environment is wrong, error says how; or -ENOMEM.
 */
int source_open(struct source *source, int fd, const char *wanted_encoding,
		char error[SOURCE_ERROR_SIZE])
{
	const char *encoding = getenv("CORE_ENCODING");
	bool is_packed = encoding && strcmp(encoding, "zstd") == 0;
	bool unpacks = is_packed && strcmp(wanted_encoding, "identity") == 0;
	struct source s = { .fd = fd, .is_raw = !is_packed || unpacks };
	int r = 0;

	if (encoding && !is_packed && strcmp(encoding, "identity") != 0) {
		snprintf(error, SOURCE_ERROR_SIZE, "CORE_ENCODING: not zstd or identity");
		return -EINVAL;
	}
	s.suffix = s.is_raw ? ".core" : ".core.zst";
	s.content_type = s.is_raw ? "application/x-coredump" : "application/zstd";
	if ((r = parse_size_variable(unpacks ? "CORE_RAW_SIZE" : "CORE_SIZE", &s, error)) < 0 ||
	    (r = parse_digest_variable(unpacks ? "CORE_RAW_SHA256" : "CORE_SHA256", &s, error)) < 0)
		return r;
	if (unpacks && (r = unpacker_new(&s.unpacker)) < 0) {
		snprintf(error, SOURCE_ERROR_SIZE, "out of memory");
		return r;
	}
	measure(&s);
	*source = s;
	return 0;
}

/* Frees what it has; fd stays open. */
void source_close(struct source *source)
{
	unpacker_free(source->unpacker);
	source->unpacker = NULL;
}

/*
 * The next bytes, at least one and at most len; 0: the end.  -EBADMSG: it is no whole zstd, or
 * ends, or goes on, elsewhere than at `size`; else -errno of read(2).
 */
ssize_t source_read(struct source *source, void *buf, size_t len)
{
	char more;

	if (source->has_size && source->size - source->position < len)
		len = (size_t)(source->size - source->position);
	bool is_end = len == 0; /* then nothing more may come */
	ssize_t n = source->unpacker
			    ? unpack(source->unpacker, source->fd, is_end ? &more : buf,
				     is_end ? 1 : len)
			    : read_some(source->fd, is_end ? &more : buf, is_end ? 1 : len);

	if (n < 0)
		return n;
	if (is_end ? n > 0 : n == 0 && source->has_size)
		return -EBADMSG;
	source->position += (uint64_t)n;
	return n;
}

static int rewind_to_start(struct source *s)
{
	if (lseek(s->fd, 0, SEEK_SET) < 0)
		return -errno;
	if (s->unpacker) {
		ZSTD_DCtx_reset(s->unpacker->stream, ZSTD_reset_session_only);
		s->unpacker->in = (ZSTD_inBuffer){ s->unpacker->block, 0, 0 };
		s->unpacker->is_between = true;
	}
	s->position = 0;
	return 0;
}

/*
 * Goes to a position: forwards by reading what is between; backwards only in a file.  -ESPIPE: a
 * pipe does not go back; -EBADMSG: there is no such position; else as source_read().
 */
int source_seek(struct source *source, uint64_t position)
{
	cleanup_free char *buf = NULL;
	int r = position < source->position ? rewind_to_start(source) : 0;

	if (r < 0 || source->position == position)
		return r;
	if (source->has_size && position > source->size)
		return -EBADMSG;
	if (!source->unpacker && lseek(source->fd, (off_t)position, SEEK_SET) >= 0) {
		source->position = position;
		return 0;
	}
	buf = malloc(BLOCK_BYTES);
	if (!buf)
		return -ENOMEM;
	while (source->position < position) {
		uint64_t left = position - source->position;
		ssize_t n = source_read(source, buf, left < BLOCK_BYTES ? left : BLOCK_BYTES);

		if (n <= 0)
			return n < 0 ? (int)n : -EBADMSG;
	}
	return 0;
}

/* What a -errno of the above means, for a message. */
const char *source_strerror(int error)
{
	return error == -EBADMSG ? "it is damaged, or not of the size that it should have"
				 : strerror(-error);
}
