// SPDX-License-Identifier: MIT
/*
 * The raw core as a file in the container: what core_pattern=core would have done, with the rights
 * of the process that crashed.
 *
 * The directory may be anyone's: no link is followed in the last component, nothing but a regular
 * file of one's own is replaced, and only by rename; nothing half-written ever has the name.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "digest.h"
#include "end-signal.h"
#include "fd.h"
#include "file-name.h"
#include "log.h"
#include "push.h"
#include "text.h"

#define BUFFER_BYTES (1U << 20)
#define HOLE_BYTES   4096U /* zeros that are not written: what a file system keeps at the least */
#define FILE_MODE    0600

struct sink {
	struct push *push;
	char *path;	  /* as it was asked for */
	const char *name; /* its last component */
	int dir_fd;
	int fd;
	char temporary[64]; /* the name while it is being written */
	bool is_named;	    /* it has that name, and else none */
	char *buffer;
	struct sha256_ctx digest;
};

/* sysexits(3): what may be better later, what is not allowed, and what is no place for a file. */
static int status_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EINTR:
	case EAGAIN:
		return EX_TEMPFAIL;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return EX_OSERR;
	case EIO:
		return EX_IOERR;
	default:
		return EX_CANTCREAT;
	}
}

static int fail(struct sink *s, const char *step, int error)
{
	return push_fail(s->push, status_of(error), "%s: %s: %s", s->path, step,
			 error == EFBIG ? "it would be larger than the process may make files "
					  "(RLIMIT_FSIZE), or than the file system can"
					: strerror(error));
}

/* --- where --- */

static int open_directory(struct sink *s)
{
	const char *slash = strrchr(s->path, '/');
	cleanup_free char *dir =
		slash ? strndup(s->path, (size_t)(slash - s->path) + 1) : strdup(".");

	s->name = slash ? slash + 1 : s->path;
	if (!dir)
		return push_fail(s->push, EX_OSERR, "out of memory");
	s->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->dir_fd < 0 ? fail(s, "opening its directory", errno) : EX_OK;
}

/* True for nothing at all, and for a core: 0 to 17 of it are e_ident and e_type.  See: elf(5). */
static bool may_be_replaced(const struct sink *s)
{
	unsigned char head[18];
	cleanup_fd int fd = openat(s->dir_fd, s->name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_fill(fd, head, sizeof(head));

	return n == 0 || (n == (ssize_t)sizeof(head) && memcmp(head, ELFMAG, SELFMAG) == 0 &&
			  head[head[EI_DATA] == ELFDATA2MSB ? 17 : 16] == ET_CORE);
}

/*
 * What has the name: nothing, or what may be replaced.  The kernel would write over any file of the
 * same user; with a slip of the pen in a URL, and root, that may be one that is missed.
 */
static int look(struct sink *s, bool *ret_exists)
{
	struct stat st;

	*ret_exists = fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret_exists)
		return errno == ENOENT ? EX_OK : fail(s, "looking at it", errno);
	if (!S_ISREG(st.st_mode))
		return push_fail(s->push, EX_CANTCREAT, "%s: there is a %s of that name", s->path,
				 S_ISDIR(st.st_mode)	? "directory"
				 : S_ISLNK(st.st_mode)	? "symbolic link"
				 : S_ISFIFO(st.st_mode) ? "FIFO"
							: "device or socket");
	if (st.st_uid != geteuid())
		return push_fail(s->push, EX_NOPERM,
				 "%s: there is a file of that name, of another user (%u)", s->path,
				 st.st_uid);
	if (!may_be_replaced(s))
		return push_fail(s->push, EX_CANTCREAT,
				 "%s: there is a file of that name, and it is not a core", s->path);
	return EX_OK;
}

/* --- the file --- */

/* A file without a name needs none removed, if it can be given one in the end: before Linux 6.10
 * that takes a capability, or a /proc that shows us. */
static bool can_be_named(const struct sink *s, int fd)
{
	/* "." exists: who gets as far as to that may name it. */
	return linkat(fd, "", s->dir_fd, ".", AT_EMPTY_PATH) < 0 && errno == EEXIST;
}

static int create_named(struct sink *s)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	s->fd = openat(s->dir_fd, s->temporary, flags, FILE_MODE);
	if (s->fd < 0 && errno == EEXIST) { /* from an attempt that was killed */
		if (unlinkat(s->dir_fd, s->temporary, 0) < 0)
			return fail(s, "removing what an earlier attempt left", errno);
		s->fd = openat(s->dir_fd, s->temporary, flags, FILE_MODE);
	}
	s->is_named = s->fd >= 0;
	return s->fd < 0 ? fail(s, "creating a file beside it", errno) : EX_OK;
}

static int create(struct sink *s)
{
	snprintf(s->temporary, sizeof(s->temporary), ".%s.new", s->push->id);
	cleanup_fd int fd = openat(s->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	if (fd < 0 && (errno == EROFS || errno == EACCES || errno == ENOSPC || errno == EDQUOT))
		return fail(s, "creating it", errno);
	if (fd < 0 || !can_be_named(s, fd))
		return create_named(s);
	s->fd = fd_steal(&fd);
	return EX_OK;
}

static bool is_zero(const char *data, size_t len)
{
	return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* Blocks of zeros stay holes.  offset is a multiple of HOLE_BYTES. */
static int write_sparse(int fd, const char *data, size_t len, uint64_t offset)
{
	for (size_t from = 0; from < len;) {
		size_t to = from, block;
		bool zero = is_zero(data + from, len - from < HOLE_BYTES ? len - from : HOLE_BYTES);

		do {
			block = len - to < HOLE_BYTES ? len - to : HOLE_BYTES;
			to += block;
		} while (to < len &&
			 zero == is_zero(data + to, len - to < HOLE_BYTES ? len - to : HOLE_BYTES));
		while (!zero && from < to) {
			ssize_t n = pwrite(fd, data + from, to - from, (off_t)(offset + from));

			if (n < 0 && errno != EINTR)
				return -errno;
			from += n > 0 ? (size_t)n : 0;
		}
		from = to;
	}
	return 0;
}

/* Fills the buffer, but for the end.  Bytes, or -errno. */
static ssize_t fill(struct source *source, char *buffer)
{
	size_t filled = 0;

	while (filled < BUFFER_BYTES) {
		ssize_t n = source_read(source, buffer + filled, BUFFER_BYTES - filled);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		filled += (size_t)n;
	}
	return (ssize_t)filled;
}

static int write_core(struct sink *s)
{
	struct push *p = s->push;
	uint64_t offset = 0;

	for (;;) {
		ssize_t n = fill(p->source, s->buffer);

		if (n < 0)
			return push_fail(p, EX_IOERR, "the core cannot be read: %s",
					 source_strerror((int)n));
		if (n == 0)
			break;
		if (end_signal_came)
			return push_fail(p, EX_TEMPFAIL, "%s: its time was over", s->path);
		if (*p->source->sha256)
			digest_update(&s->digest, s->buffer, (size_t)n);
		int r = write_sparse(s->fd, s->buffer, (size_t)n, offset);
		if (r < 0)
			return fail(s, "writing it", -r);
		offset += (uint64_t)n;
		p->report.sent = offset;
		push_tell_progress(p);
	}
	/* Of zeros at the end nothing was written. */
	if (ftruncate(s->fd, (off_t)offset) < 0)
		return fail(s, "writing it", errno);
	/* What is not there yet may still find no room, and a restart of the host takes it away. */
	return fdatasync(s->fd) < 0 ? fail(s, "writing it", errno) : EX_OK;
}

/* What was written is what was captured: known without reading it again. */
static int verify(struct sink *s)
{
	struct push *p = s->push;
	char digest[DIGEST_HEX_SIZE];

	digest_finish_hex(&s->digest, digest);
	if (*p->source->sha256 && strcmp(digest, p->source->sha256) != 0)
		return push_fail(p, EX_IOERR,
				 "the core is damaged: its SHA-256 is not as recorded");
	p->report.offset = p->source->position;
	const char *how = *p->source->sha256 ? "digest" : p->source->has_size ? "size" : NULL;
	return push_put_text(&p->report.verified, how) < 0 ? push_fail(p, EX_OSERR, "out of memory")
							   : EX_OK;
}

/* --- its name --- */

/* True: done, or failed for good (*ret_status); false: there is something of its name by now. */
static bool link_new(struct sink *s, int *ret_status)
{
	int r = s->is_named
			? renameat2(s->dir_fd, s->temporary, s->dir_fd, s->name, RENAME_NOREPLACE)
			: linkat(s->fd, "", s->dir_fd, s->name, AT_EMPTY_PATH);

	if (r < 0 && (errno == EEXIST || errno == EINVAL || errno == ENOSYS))
		return false;
	*ret_status = r < 0 ? fail(s, "giving it its name", errno) : EX_OK;
	if (r == 0)
		s->is_named = false;
	return true;
}

static int replace(struct sink *s)
{
	bool exists;

	if (!s->is_named) {
		(void)unlinkat(s->dir_fd, s->temporary, 0);
		if (linkat(s->fd, "", s->dir_fd, s->temporary, AT_EMPTY_PATH) < 0)
			return fail(s, "giving it a name", errno);
		s->is_named = true;
	}
	int status = look(s, &exists);
	if (status != EX_OK)
		return status;
	if (renameat(s->dir_fd, s->temporary, s->dir_fd, s->name) < 0)
		return fail(s, "giving it its name", errno);
	s->is_named = false;
	return EX_OK;
}

static int publish(struct sink *s, bool exists)
{
	int status = EX_OK;

	if (!exists && link_new(s, &status))
		return status;
	return replace(s);
}

static int run(struct sink *s)
{
	bool exists = false;
	int status = open_directory(s);

	if (status == EX_OK)
		status = look(s, &exists);
	if (status == EX_OK)
		status = create(s);
	if (status == EX_OK)
		status = write_core(s);
	if (status == EX_OK)
		status = verify(s);
	return status == EX_OK ? publish(s, exists) : status;
}

/* file: and the path, as a URL has it. */
static int tell_url(struct sink *s)
{
	cleanup_free char *shown = text_percent_encode(s->path, strlen(s->path));
	cleanup_free char *url = NULL;

	if (!shown || asprintf(&url, "file:%s", shown) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	return push_put_text(&s->push->report.url, url);
}

static int begin(struct sink *s)
{
	struct push *p = s->push;
	char error[FILE_NAME_ERROR_SIZE];
	int r = file_name_make(p->url, p->id, &s->path, error);

	if (r < 0)
		return push_fail(p, r == -ENOMEM ? EX_OSERR : EX_CONFIG, "%s", error);
	/* arrive.c: we are not where the crashed process was. */
	if (s->path[0] != '/' && getenv("CORE_CWD"))
		return push_fail(p, EX_CANTCREAT,
				 "the working directory of the crashed process cannot be entered "
				 "again");
	s->buffer = malloc(BUFFER_BYTES);
	if (!s->buffer || tell_url(s) < 0)
		return push_fail(p, EX_OSERR, "out of memory");
	digest_init(&s->digest);
	/* A limit of the victim's is an error here, and not the end. */
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || end_signal_watch() < 0)
		return push_fail(p, EX_OSERR, "its signals cannot be set");
	push_tell(p);
	return EX_OK;
}

/* Writes file:PATH.  Returns a status of sysexits(3). */
int push_file(struct push *push)
{
	struct sink s = { .push = push, .dir_fd = -1, .fd = -1 };

	if (push_put_text(&push->report.protocol, "file") < 0)
		return push_fail(push, EX_OSERR, "out of memory");
	if (push->abandon)
		return EX_OK; /* an attempt that ends leaves nothing */
	int status = begin(&s);
	if (status == EX_OK && s.path)
		status = run(&s);
	if (s.is_named)
		(void)unlinkat(s.dir_fd, s.temporary, 0);
	if (status == EX_OK)
		log_info("%s: %llu bytes: written", s.path,
			 (unsigned long long)push->source->position);
	fd_close(&s.fd);
	fd_close(&s.dir_fd);
	free(s.buffer);
	free(s.path);
	return status;
}
