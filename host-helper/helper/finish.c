// SPDX-License-Identifier: MIT
/*
 * What is done with a core after its victim's release.
 *
 * By the crash's own helper; or, where that was killed or had too much to do, by any later one that
 * keeps house.  The core can be read all the time.
 */
#include "finish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "file-lock.h"
#include "log.h"
#include "record.h"
#include "turns.h"

#define LOCK_NAME    "finish.lock"
#define LOCK_WAIT_US 1000000U

static bool is_raw(const struct crash *crash)
{
	return crash->core_file && strcmp(crash->core_file, CRASH_CORE_RAW_NAME) == 0;
}

/* The core for the store's readers, or for root alone, with its attributes. */
void finish_own_core(const struct store *store, int dirfd, const struct crash *crash)
{
	cleanup_fd int core = crash->core_file ? openat(dirfd, crash->core_file,
							O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
					       : -1;

	if (core < 0)
		return;
	(void)store_own_file(store, core, crash->root_only);
	record_set_xattrs(core, crash);
}

/* The spool makes way for what it was compressed to: the record first, so that it names what there
 * is. */
static void compress(const struct finish *f)
{
	bool raw = is_raw(f->crash);
	int r = capture_compress(f->capture, f->dirfd, f->crash, f->config->digest_max, f->tick,
				 f->context);

	if (r < 0) {
		(void)crash_set_string(&f->crash->not_compressed, strerror(-r));
		log_warning("crash %s: stays as it is, not compressed: %s", f->crash->id,
			    strerror(-r));
	}
	if (r < 0 || !raw)
		return;
	finish_own_core(f->store, f->dirfd, f->crash);
	if (f->write(f->context))
		(void)unlinkat(f->dirfd, CRASH_CORE_RAW_NAME, 0);
}

/* Compresses the core if it is raw, syncs it, takes its digests, and writes the record. */
void finish_core(const struct finish *f)
{
	if (!f->crash->core_file)
		return;
	compress(f);
	record_sync(f->dirfd, f->crash->core_file);
	capture_digests(f->capture, f->dirfd, f->crash, f->config->digest_max, f->tick, f->context);
	(void)f->write(f->context);
}

/* --- what others left --- */

struct left_over {
	const struct store *store;
	int dirfd;
	struct crash crash;
};

static bool write_record(void *context)
{
	struct left_over *l = context;

	return store_write_record(l->store, l->dirfd, &l->crash) == 0;
}

/* Opens a crash that nobody works on, and keeps readers only. */
static int open_left_over(const struct store *store, const char *id, int *ret_dirfd)
{
	int r = store_open_exclusive(store, id, STORE_PUBLISHED, ret_dirfd);

	return r < 0 ? r : store_lock_shared(*ret_dirfd);
}

/*
 * True: it was finished, or has a reason now why it is not.  While its core is compressed it is
 * locked as if its helper were there.
 */
static bool finish_one(const struct store *store, const struct config *config, const char *id)
{
	struct left_over l = { .store = store, .dirfd = -1 };
	cleanup_turn struct turn turn = { -1, -1 };
	struct capture capture;
	bool is_mine;

	crash_init(&l.crash);
	is_mine = open_left_over(store, id, &l.dirfd) == 0 &&
		  store_read_record(l.dirfd, &l.crash) == 0 && is_raw(&l.crash) &&
		  !l.crash.not_compressed;
	if (is_mine) {
		char owner[TURN_OWNER_SIZE];
		const struct finish finish = { .store = store,
					       .config = config,
					       .dirfd = l.dirfd,
					       .crash = &l.crash,
					       .capture = &capture,
					       .write = write_record,
					       .context = &l };

		turn_owner(&l.crash, owner);
		(void)turn_take_work(store->dir_fd, owner, capture_threads(), UINT64_MAX, &turn);
		capture_init(&capture);
		finish_core(&finish);
		capture_end(&capture);
	}
	crash_release(&l.crash);
	fd_close(&l.dirfd);
	return is_mine;
}

/*
 * Finishes the cores that nobody works on: `ids` of crashes with a raw core.  One process at a time
 * does this, for all.  Returns how many.
 */
unsigned finish_left_over(const struct store *store, const struct config *config,
			  char (*ids)[CRASH_ID_SIZE], unsigned count)
{
	unsigned finished = 0;

	if (count == 0)
		return 0;
	cleanup_fd int lock =
		openat(store->dir_fd, LOCK_NAME,
		       O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	/* Who is at it for longer looks again when it has finished those that it knows of. */
	if (lock < 0 || file_lock_until(lock, clock_monotonic_us() + LOCK_WAIT_US) < 0)
		return 0;
	for (unsigned i = 0; i < count; i++)
		finished += finish_one(store, config, ids[i]);
	return finished;
}
