// SPDX-License-Identifier: MIT
/*
 * How many cores are taken in a time, of one container and of one signature: STORE/rates.
 *
 * The keys hold what victims choose, and a victim may take a new one for each of its crashes.  So
 * there is a table of fixed size for each kind; when it is full, the entry that is nearest to being
 * forgotten makes way: one whose time is over, else the one with the fewest crashes, the oldest
 * first.  Who is at its limit stays there.  Keys are hashed with a secret, so that nobody can
 * choose one that is taken for another's.
 *
 * Only root can open the file.  What it holds is still checked: it may be damaged.
 */
#include "rate.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "file-lock.h"

#define RATE_FILE_NAME	  "rates"
#define RATE_FILE_MAGIC	  "CFRATES" /* and NUL: 8 bytes */
#define RATE_FILE_VERSION 1

/* Whoever holds the lock needs microseconds; a victim waits. */
#define RATE_LOCK_WAIT_US 200000

struct rate_header {
	char magic[8];
	uint32_t version, entries;
	uint8_t secret[16];
};

struct rate_entry {
	uint64_t hash;
	uint64_t start_us; /* of its window, CLOCK_REALTIME */
	uint32_t count;	   /* 0: the entry is free */
	uint32_t reserved;
};

struct rate_table {
	struct rate_entry entries[RATE_ENTRIES];
};

/* What is to be written where, if all questions are answered with yes. */
struct rate_answer {
	off_t offset;
	struct rate_entry entry;
};

#define RATE_FILE_BYTES \
	(sizeof(struct rate_header) + (size_t)RATE_KIND_COUNT * sizeof(struct rate_table))

static off_t table_offset(enum rate_kind kind)
{
	return (off_t)(sizeof(struct rate_header) + (size_t)kind * sizeof(struct rate_table));
}

/* --- the file; all but opening it under its lock --- */

static int make_file(int fd, struct rate_header *ret_header)
{
	static const struct rate_table empty;
	struct rate_header header = {
		.magic = RATE_FILE_MAGIC,
		.version = RATE_FILE_VERSION,
		.entries = RATE_ENTRIES,
	};

	/* Early at boot there may be no random numbers yet: then it is no secret, and works. */
	(void)!getrandom(header.secret, sizeof(header.secret), GRND_NONBLOCK);
	int r = ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
	if (r == 0)
		r = fd_write_all(fd, &header, sizeof(header));
	for (int i = 0; r == 0 && i < RATE_KIND_COUNT; i++)
		r = fd_write_all(fd, &empty, sizeof(empty));
	if (r == 0)
		*ret_header = header;
	return r;
}

/* Reads the header; a file that is not ours is made anew. */
static int read_header(int fd, struct rate_header *ret_header)
{
	struct rate_header header;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == (off_t)RATE_FILE_BYTES &&
	    fd_pread_all(fd, &header, sizeof(header), 0) == 0 &&
	    memcmp(header.magic, RATE_FILE_MAGIC, sizeof(header.magic)) == 0 &&
	    header.version == RATE_FILE_VERSION && header.entries == RATE_ENTRIES) {
		*ret_header = header;
		return 0;
	}
	return make_file(fd, ret_header);
}

/* -EPERM: it is not a file of ours alone. */
static int open_file(int storefd, int *ret_fd)
{
	cleanup_fd int fd =
		openat(storefd, RATE_FILE_NAME,
		       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return -EPERM;
	*ret_fd = fd_steal(&fd);
	return 0;
}

static int lock_file(int fd)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return file_lock_until(fd, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 +
					   RATE_LOCK_WAIT_US);
}

/* --- the table --- */

static uint64_t hash_key(const struct rate_header *header, const struct rate_question *question)
{
	static const char *const tags[RATE_KIND_COUNT] = { "container", "signature" };
	const char *tag = tags[question->kind];
	struct sha256_ctx ctx;
	uint64_t hash;

	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(header->secret), header->secret);
	sha256_update(&ctx, strlen(tag) + 1, (const uint8_t *)tag);
	sha256_update(&ctx, question->key_len, question->key);
	sha256_digest(&ctx, sizeof(hash), (uint8_t *)&hash);
	return hash;
}

/*
 * Crashes at the same time come here in any order, so a window may have begun a little after now.
 * One that lies further ahead is of a clock that was set back since.
 */
static bool is_over(const struct rate_entry *entry, uint64_t now_us, uint64_t window_us)
{
	return entry->start_us > now_us ? entry->start_us - now_us >= window_us
					: now_us - entry->start_us >= window_us;
}

/* True if b should make way before a. */
static bool is_better(const struct rate_entry *a, const struct rate_entry *b, uint64_t now_us,
		      uint64_t window_us)
{
	bool a_free = a->count == 0 || is_over(a, now_us, window_us);
	bool b_free = b->count == 0 || is_over(b, now_us, window_us);

	if (a_free || b_free)
		return b_free && !a_free;
	return b->count != a->count ? b->count < a->count : b->start_us < a->start_us;
}

/* False: it is over its limit. */
static bool answer(const struct rate_table *table, const struct rate_question *question,
		   uint64_t hash, uint64_t now_us, struct rate_answer *ret_answer)
{
	const uint64_t window_us = question->limit.window_ms * 1000;
	const struct rate_entry *place = &table->entries[0];
	struct rate_entry entry = { .hash = hash, .start_us = now_us };

	for (size_t i = 0; i < RATE_ENTRIES; i++) {
		const struct rate_entry *e = &table->entries[i];

		if (e->count > 0 && e->hash == hash) {
			place = e;
			if (!is_over(e, now_us, window_us))
				entry = *e;
			break;
		}
		if (is_better(place, e, now_us, window_us))
			place = e;
	}
	if (entry.count >= question->limit.count)
		return false;
	entry.count++;
	ret_answer->offset = table_offset(question->kind) +
			     (place - table->entries) * (off_t)sizeof(struct rate_entry);
	ret_answer->entry = entry;
	return true;
}

static int ask(int fd, const struct rate_header *header, const struct rate_question *question,
	       uint64_t now_us, struct rate_answer *ret_answer, bool *ret_allowed)
{
	struct rate_table table;
	int r = fd_pread_all(fd, &table, sizeof(table), (uint64_t)table_offset(question->kind));

	if (r == 0)
		*ret_allowed =
			answer(&table, question, hash_key(header, question), now_us, ret_answer);
	return r;
}

static int write_answer(int fd, const struct rate_answer *answer)
{
	ssize_t n = pwrite(fd, &answer->entry, sizeof(answer->entry), answer->offset);

	if (n < 0)
		return -errno;
	return n == sizeof(answer->entry) ? 0 : -EIO;
}

/*
 * Asks at most one question of each kind, at now_us (CLOCK_REALTIME).  If all are allowed, each is
 * counted, and *ret_refused is `count`; else nothing is counted, and it is the index of the first
 * that is not.  A limit of no count allows all.  A window begins with the first that is counted.
 * storefd may be of O_PATH.  0; or -errno, and then nothing is known: -ETIME, -EPERM: see above.
 */
int rate_check(int storefd, const struct rate_question *questions, size_t count, uint64_t now_us,
	       size_t *ret_refused)
{
	struct rate_answer answers[RATE_KIND_COUNT];
	size_t answered = 0;
	struct rate_header header;
	cleanup_fd int fd = -1;

	assert(count <= RATE_KIND_COUNT);
	for (size_t i = 0; i < count; i++) {
		bool allowed = false;
		int r = 0;

		if (questions[i].limit.count == 0)
			continue;
		if (fd < 0) {
			r = open_file(storefd, &fd);
			if (r == 0)
				r = lock_file(fd);
			if (r == 0)
				r = read_header(fd, &header);
		}
		if (r == 0)
			r = ask(fd, &header, &questions[i], now_us, &answers[answered], &allowed);
		if (r < 0)
			return r;
		if (!allowed) {
			*ret_refused = i;
			return 0;
		}
		answered++;
	}
	for (size_t i = 0; i < answered; i++) {
		int r = write_answer(fd, &answers[i]);

		if (r < 0)
			return r;
	}
	*ret_refused = count;
	return 0;
}
