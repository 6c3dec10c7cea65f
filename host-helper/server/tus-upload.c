// SPDX-License-Identifier: MIT
/*
 * An upload over several requests, as it stands on the disk.
 *
 * We write all of it, in a directory of ours alone, and may be killed at any time: what counts is
 * what is in the files.  The bytes are the peer's, and are only stored here.
 */
#include "tus-upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/base16.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

#define INFO_NAME "info.json"
#define INFO_MAX  (256U << 10)
#define BODY_NAME "body"
/* What stays of one that is published: its info.json, as a file beside the directories. */
#define DONE_SUFFIX ".done"
#define DONE_SIZE   (TUS_NAME_SIZE + sizeof(DONE_SUFFIX))

/* --- info.json --- */

static int write_info(const struct tus_upload *upload)
{
	json_t *info =
		json_pack("{sI sb ss ss ss sb ss sO}", "length", (json_int_t)upload->length, "zst",
			  upload->zst, "id", upload->id, "directory", upload->directory, "sha256",
			  upload->sha256, "published", upload->published, "body_sha256",
			  upload->body_sha256, "headers", upload->headers);
	int r = info ? 0 : -ENOMEM;

	if (r == 0 && upload->floor != TUS_NO_FLOOR &&
	    json_object_set_new(info, "floor", json_integer((json_int_t)upload->floor)) < 0)
		r = -ENOMEM;
	cleanup_free char *text = r == 0 ? json_dumps(info, JSON_COMPACT) : NULL;
	json_decref(info);
	if (!text)
		return -ENOMEM;
	return file_replace_at(upload->dirfd, INFO_NAME, text, strlen(text), 0600, (gid_t)-1);
}

static int copy_text(const char *text, char *field, size_t size)
{
	if (strlen(text) >= size)
		return -EINVAL;
	memcpy(field, text, strlen(text) + 1);
	return 0;
}

static int take_info(struct tus_upload *upload, json_t *info)
{
	const char *id, *directory, *sha256, *body_sha256;
	json_int_t length, floor = -1;
	int zst, published;

	if (json_unpack(info, "{sI sb ss ss ss sb ss sO s?I}", "length", &length, "zst", &zst, "id",
			&id, "directory", &directory, "sha256", &sha256, "published", &published,
			"body_sha256", &body_sha256, "headers", &upload->headers, "floor",
			&floor) < 0 ||
	    length < 0 || !json_is_object(upload->headers) || !crash_id_is_valid(id) ||
	    copy_text(id, upload->id, sizeof(upload->id)) < 0 ||
	    copy_text(directory, upload->directory, sizeof(upload->directory)) < 0 ||
	    copy_text(sha256, upload->sha256, sizeof(upload->sha256)) < 0 ||
	    copy_text(body_sha256, upload->body_sha256, sizeof(upload->body_sha256)) < 0)
		return -EINVAL;
	upload->length = (uint64_t)length;
	upload->zst = zst;
	upload->published = published;
	upload->floor = floor < 0 ? TUS_NO_FLOOR : (uint64_t)floor;
	return 0;
}

static int read_info(struct tus_upload *upload, int dirfd, const char *file)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = file_read_at(dirfd, file, INFO_MAX, &text, &len);

	if (r < 0)
		return r;
	json_t *info = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = info ? take_info(upload, info) : -EINVAL;
	json_decref(info);
	return r;
}

/* --- one upload --- */

static int make_name(char name[TUS_NAME_SIZE])
{
	uint8_t random[(TUS_NAME_SIZE - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	base16_encode_update(name, sizeof(random), random);
	name[TUS_NAME_SIZE - 1] = '\0';
	return 0;
}

/*
 * Makes an upload of what upload says (length, id, ..., headers); gives it its name, and opens it.
 * 0 or -errno; tus_upload_close() it in any case.
 */
int tus_upload_create(int uploads_fd, struct tus_upload *upload)
{
	upload->dirfd = upload->body_fd = -1;
	int r = make_name(upload->name);

	if (r == 0 && mkdirat(uploads_fd, upload->name, 0700) < 0)
		r = -errno;
	if (r < 0)
		return r;
	upload->dirfd =
		openat(uploads_fd, upload->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upload->dirfd >= 0)
		upload->body_fd = openat(upload->dirfd, BODY_NAME,
					 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = upload->body_fd < 0 ? -errno : write_info(upload);
	/* The peer is told of it next: it is to be there after a power cut, too. */
	if (r == 0 && (fsync(upload->dirfd) < 0 || fsync(uploads_fd) < 0))
		r = -errno;
	if (r < 0)
		(void)tus_upload_remove(uploads_fd, upload->name);
	return r;
}

/*
 * Opens one.  -ENOENT: there is none of this (valid) name; -EINVAL: it is damaged.  0 or -errno;
 * tus_upload_close() it in any case.
 */
int tus_upload_open(int uploads_fd, const char *name, struct tus_upload *ret_upload)
{
	struct tus_upload *u = ret_upload;
	char done[DONE_SIZE];
	struct stat st;

	*u = (struct tus_upload){ .dirfd = -1, .body_fd = -1 };
	if (!tus_name_is_valid(name))
		return -ENOENT;
	memcpy(u->name, name, sizeof(u->name));
	snprintf(done, sizeof(done), "%s" DONE_SUFFIX, name);
	int r = read_info(u, uploads_fd, done);
	u->offset = u->length;
	if (r != -ENOENT)
		return r;
	u->dirfd = openat(uploads_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (u->dirfd < 0)
		return -errno;
	r = read_info(u, u->dirfd, INFO_NAME);
	if (r < 0)
		return r;
	u->body_fd = openat(u->dirfd, BODY_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (u->body_fd < 0 || fstat(u->body_fd, &st) < 0)
		return -errno;
	u->offset = (uint64_t)st.st_size;
	if (u->floor != TUS_NO_FLOOR && u->offset > u->floor)
		u->offset = u->floor;
	return u->offset > u->length ? -EINVAL : 0;
}

/* Closes it; what came stays. */
void tus_upload_close(struct tus_upload *upload)
{
	fd_close(&upload->dirfd);
	fd_close(&upload->body_fd);
	json_decref(upload->headers);
	upload->headers = NULL;
}

/* Adds bytes at its end. 0 or -errno; what was written counts in any case. */
int tus_upload_write(struct tus_upload *upload, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(upload->body_fd, data, len, (off_t)upload->offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		upload->offset += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Before unchecked bytes are written, and (TUS_NO_FLOOR) once they are known to be right. */
int tus_upload_set_floor(struct tus_upload *upload, uint64_t floor)
{
	upload->floor = floor;
	return write_info(upload);
}

/* Forgets all behind this offset. */
int tus_upload_cut(struct tus_upload *upload, uint64_t offset)
{
	if (ftruncate(upload->body_fd, (off_t)offset) < 0)
		return -errno;
	upload->offset = offset;
	return upload->floor == TUS_NO_FLOOR ? 0 : tus_upload_set_floor(upload, TUS_NO_FLOOR);
}

static int remove_directory(int uploads_fd, const char *name)
{
	static const char *const files[] = { BODY_NAME, INFO_NAME, "." INFO_NAME ".new" };
	cleanup_fd int dirfd =
		openat(uploads_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dirfd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (unlinkat(dirfd, files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	return unlinkat(uploads_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* The crash is published: the bytes go; that it was here stays known until it is too old. */
int tus_upload_set_published(int uploads_fd, struct tus_upload *upload, const char *body_sha256)
{
	char done[DONE_SIZE];

	upload->published = true;
	int r = copy_text(body_sha256, upload->body_sha256, sizeof(upload->body_sha256));
	if (r == 0)
		r = write_info(upload);
	snprintf(done, sizeof(done), "%s" DONE_SUFFIX, upload->name);
	if (r == 0 && renameat(upload->dirfd, INFO_NAME, uploads_fd, done) < 0)
		r = -errno;
	return r < 0 ? r : remove_directory(uploads_fd, upload->name);
}

/* Removes one. 0 or -errno. */
int tus_upload_remove(int uploads_fd, const char *name)
{
	char done[DONE_SIZE];

	snprintf(done, sizeof(done), "%s" DONE_SUFFIX, name);
	int r = remove_directory(uploads_fd, name);
	return r == -ENOENT && unlinkat(uploads_fd, done, 0) == 0 ? 0 : r;
}

/* Bytes that its body takes on the disk. */
uint64_t tus_upload_used(const struct tus_upload *upload)
{
	struct stat st;

	return upload->body_fd < 0 || fstat(upload->body_fd, &st) < 0
		       ? 0
		       : (uint64_t)st.st_blocks * 512;
}

/* When something of it came last: µs since 1970; 0: not known. */
uint64_t tus_upload_changed_us(const struct tus_upload *upload)
{
	struct stat st;

	/* The directory changes with info.json, the body with each byte. */
	if (fstat(upload->body_fd >= 0 ? upload->body_fd : upload->dirfd, &st) < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000;
}

/* --- all of them --- */

/* The name of a published one's file, or false. */
static bool done_to_name(const char *file, char name[TUS_NAME_SIZE])
{
	if (strlen(file) != DONE_SIZE - 2 || strcmp(file + TUS_NAME_SIZE - 1, DONE_SUFFIX) != 0)
		return false;
	memcpy(name, file, TUS_NAME_SIZE - 1);
	name[TUS_NAME_SIZE - 1] = '\0';
	return tus_name_is_valid(name);
}

/* Those that are under way, or (done) what stays of those that were. */
static int list(int uploads_fd, bool done, char (**ret_names)[TUS_NAME_SIZE], size_t *ret_count)
{
	int fd = openat(uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char(*names)[TUS_NAME_SIZE] = NULL;
	const struct dirent *entry;
	size_t count = 0;
	int r = 0;

	if (!dir) {
		r = -errno;
		fd_close(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		char(*more)[TUS_NAME_SIZE], name[TUS_NAME_SIZE];

		if (done ? !done_to_name(entry->d_name, name) : !tus_name_is_valid(entry->d_name))
			continue;
		if (!done)
			memcpy(name, entry->d_name, sizeof(name));
		more = reallocarray(names, count + 1, sizeof(*names));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		names = more;
		memcpy(names[count++], name, sizeof(*names));
	}
	closedir(dir);
	if (r < 0) {
		free(names);
		return r;
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

/* Calls fn for each that is not published and not damaged. How many there are, or -errno. */
int tus_upload_for_each(int uploads_fd, tus_upload_fn fn, void *context)
{
	cleanup_free char(*names)[TUS_NAME_SIZE] = NULL;
	size_t count = 0;
	int r = list(uploads_fd, false, &names, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		cleanup_tus_upload struct tus_upload upload;

		if (tus_upload_open(uploads_fd, names[i], &upload) == 0 && fn)
			fn(context, &upload);
	}
	return (int)count;
}

static unsigned remove_old_done(int uploads_fd, uint64_t before_us)
{
	cleanup_free char(*names)[TUS_NAME_SIZE] = NULL;
	size_t count = 0;
	unsigned removed = 0;

	if (list(uploads_fd, true, &names, &count) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		char done[DONE_SIZE];
		struct stat st;

		snprintf(done, sizeof(done), "%s" DONE_SUFFIX, names[i]);
		if (fstatat(uploads_fd, done, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (uint64_t)st.st_mtim.tv_sec * 1000000 < before_us &&
		    unlinkat(uploads_fd, done, 0) == 0)
			removed++;
	}
	return removed;
}

/*
 * Removes those of which nothing came since before_us, damaged ones too; tells how many.  And what
 * stayed of those that were published before done_before_us.
 */
unsigned tus_upload_remove_old(int uploads_fd, uint64_t before_us, uint64_t done_before_us)
{
	cleanup_free char(*names)[TUS_NAME_SIZE] = NULL;
	size_t count = 0;
	unsigned removed = 0;

	(void)remove_old_done(uploads_fd, done_before_us);
	if (list(uploads_fd, false, &names, &count) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		cleanup_tus_upload struct tus_upload upload;
		int r = tus_upload_open(uploads_fd, names[i], &upload);

		if ((r == 0 || upload.dirfd >= 0) && tus_upload_changed_us(&upload) < before_us &&
		    tus_upload_remove(uploads_fd, names[i]) == 0)
			removed++;
	}
	return removed;
}
