// SPDX-License-Identifier: MIT
/*
 * What a tus client says of an upload before it sends it.
 *
 * All of it is the peer's.  It is checked as the headers of a PUT are, by the same code, so that
 * nothing is refused only after all of a core was sent.
 */
#include "tus-create.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "clock.h"
#include "core-headers.h"
#include "fd.h"
#include "limits.h"
#include "parse.h"
#include "receive-headers.h"
#include "text.h"

struct description {
	struct tus_upload *upload;
	struct receive_headers headers; /* to check them; only `seen` and the id are used */
	char why[TUS_WHY_SIZE];
	int error;
};

static int refuse(struct description *d, const char *key, const char *what)
{
	snprintf(d->why, sizeof(d->why), "%s: %s", key, what);
	return -EINVAL;
}

/* Keeps a header as it would stand in a PUT. */
static int take_header(struct description *d, const char *name, const char *encoded)
{
	int r = receive_headers_take(&d->headers, name, encoded, d->why);

	if (r == 0 && json_object_set_new(d->upload->headers, name, json_string(encoded)) < 0)
		r = -ENOMEM;
	return r;
}

static int take_filename(struct description *d, const char *name)
{
	char path[CRASH_ID_SIZE + sizeof("/.core.zst")], id[CRASH_ID_SIZE];
	size_t len = strlen(name);
	bool zst;

	if (len < sizeof(path) - 1) {
		snprintf(path, sizeof(path), "/%s", name);
		if (!strchr(name, '/') && receive_path_to_id(path, id, &zst) == 0 &&
		    d->upload->id[0] == '\0')
			memcpy(d->upload->id, id, sizeof(id));
	}
	if (len > 4 && strcmp(name + len - 4, ".zst") == 0)
		d->upload->zst = true;
	return 0;
}

static int take_sha256(struct description *d, const char *value)
{
	if (strlen(value) != DIGEST_HEX_SIZE - 1 ||
	    strspn(value, "0123456789abcdef") != DIGEST_HEX_SIZE - 1)
		return refuse(d, "sha256", "wants 64 hexadecimal digits");
	memcpy(d->upload->sha256, value, DIGEST_HEX_SIZE);
	return 0;
}

/* The header that a short key stands for: "pid", "exe"; -1: none. */
static int header_of(const char *key)
{
	char name[64];

	if (strcasecmp(key, "exe") == 0)
		return CORE_HEADER_EXE;
	if ((size_t)snprintf(name, sizeof(name), "X-Core-%s", key) >= sizeof(name))
		return -1;
	return core_header_find(name);
}

static int take_pair(void *context, const char *key, const char *value, size_t len)
{
	struct description *d = context;

	if (strlen(value) != len)
		return refuse(d, "Upload-Metadata", "a value holds a NUL");
	if (strcasecmp(key, "filename") == 0)
		return take_filename(d, value);
	if (strcasecmp(key, "filetype") == 0) {
		if (strcasecmp(value, "application/zstd") == 0)
			d->upload->zst = true;
		return 0;
	}
	if (strcasecmp(key, "sha256") == 0)
		return take_sha256(d, value);
	if (strcasecmp(key, "id") == 0) {
		if (!crash_id_is_valid(value))
			return refuse(d, "id", "not a crash's id");
		snprintf(d->upload->id, sizeof(d->upload->id), "%s", value);
		return 0;
	}
	int header = core_header_find(key);
	bool is_encoded = header >= 0; /* "X-Core-Pid": as in a PUT */
	if (!is_encoded)
		header = header_of(key);
	/* The id is in the file's name, too. */
	if (header < 0 || header == CORE_HEADER_ID)
		return 0;
	cleanup_free char *encoded = is_encoded ? strdup(value) : text_percent_encode(value, len);
	return encoded ? take_header(d, core_headers[header].name, encoded) : -ENOMEM;
}

static enum MHD_Result take_request_header(void *context, enum MHD_ValueKind kind, const char *name,
					   size_t name_len, const char *value, size_t value_len)
{
	struct description *d = context;
	int header = core_header_find(name);

	(void)kind;
	if (header < 0)
		return MHD_YES;
	if (!value || strlen(name) != name_len || strlen(value) != value_len)
		d->error = refuse(d, core_headers[header].name, "not a text");
	else
		d->error = take_header(d, core_headers[header].name, value);
	return d->error < 0 ? MHD_NO : MHD_YES;
}

static int choose_id(struct tus_upload *upload)
{
	uint16_t number;

	if (upload->id[0])
		return 0;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	return crash_id_format(clock_now_us(), 0, number, upload->id);
}

static int describe(struct MHD_Connection *mhd, struct description *d)
{
	const char *metadata = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Upload-Metadata");
	int r = 0;

	if (metadata)
		r = tus_metadata_for_each(metadata, take_pair, d, d->why);
	if (r == 0)
		r = choose_id(d->upload);
	if (r < 0)
		return r;
	memcpy(d->headers.crash.id, d->upload->id, sizeof(d->headers.crash.id));
	MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, take_request_header, d);
	return d->error;
}

static int read_length(struct MHD_Connection *mhd, uint64_t *ret_length, struct answer *refusal)
{
	const char *text = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Upload-Length");

	if (!text)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST,
			   "wants Upload-Length; a length that comes later is not supported");
	else if (parse_u64(text, INT64_MAX, ret_length) < 0)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST, "Upload-Length: not a length");
	else if (*ret_length == 0)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST, "Upload-Length: there is no core in it");
	else if (*ret_length > LIMIT_RAW_BYTES)
		answer_set(refusal, MHD_HTTP_CONTENT_TOO_LARGE,
			   "Upload-Length is more than %llu bytes", LIMIT_RAW_BYTES);
	else
		return 0;
	return -EINVAL;
}

/*
 * Fills in an upload (empty but for its directory) from the headers of the request that creates it.
 * 0; negative: refusal tells the peer.  tus_upload_close() it in any case.
 */
int tus_describe(struct MHD_Connection *mhd, struct tus_upload *upload, struct answer *refusal)
{
	struct description d = { .upload = upload };
	int r = read_length(mhd, &upload->length, refusal);

	if (r < 0)
		return r;
	upload->headers = json_object();
	r = receive_headers_init(&d.headers, "");
	if (r == 0)
		r = upload->headers ? describe(mhd, &d) : -ENOMEM;
	receive_headers_release(&d.headers);
	if (r == -EINVAL)
		answer_set(refusal, MHD_HTTP_BAD_REQUEST, "%s", d.why);
	else if (r < 0)
		answer_set(refusal, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory");
	return r;
}
