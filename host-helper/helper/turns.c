// SPDX-License-Identifier: MIT
/*
 * Whose turn it is.
 *
 * An owner is a container, or a user of the host.  One that crashes without end must not keep
 * another's single crash waiting: of the slots for captures one is left to others, for the work
 * after the release each owner has one place in the queue, and what an owner leaves unfinished is
 * bounded.
 */
#include "turns.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "fd.h"
#include "slots.h"

/* After so long at the head of its lane an owner's work is begun without a slot: others may be at
 * cores that take minutes. */
#define PATIENCE_US 3000000U

/* Helpers of one owner that have released their victim: each is a process, and a raw core. */
#define UNFINISHED     "unfinished"
#define UNFINISHED_MAX 256U

/* Who is to answer for the crash: the container's id, its name, or the user. */
void turn_owner(const struct crash *crash, char owner[TURN_OWNER_SIZE])
{
	const char *container = crash->container_id && crash->container_id[0]
					? crash->container_id
					: crash->container_name;

	/* Of a container that a user of the host could have made up, that user. */
	if (crash->container_owner != 0)
		snprintf(owner, TURN_OWNER_SIZE, "owner:%u", crash->container_owner);
	else if (container && container[0])
		snprintf(owner, TURN_OWNER_SIZE, "%s:%s",
			 crash->container_runtime ? crash->container_runtime : "", container);
	else
		snprintf(owner, TURN_OWNER_SIZE, "uid:%u", crash->uid);
}

/*
 * A slot for a capture; of more than one slot an owner never has the last.  0, -ETIME or -errno,
 * see slots_take().
 */
int turn_take_capture(int storefd, const char *owner, unsigned slots, uint64_t deadline_us,
		      struct turn *turn)
{
	int r = slots_take_lane(storefd, SLOTS_CAPTURE, owner, slots > 1 ? slots - 1 : 1,
				deadline_us, &turn->lane_fd);

	if (r == 0)
		r = slots_take(storefd, SLOTS_CAPTURE, slots, deadline_us, &turn->slot_fd);
	return r;
}

/*
 * A slot for the work after the release: one of an owner's crashes after the other waits for it,
 * and not for ever.  To be called again with the same turn after -ETIME (deadline_us was over).
 */
int turn_take_work(int storefd, const char *owner, unsigned slots, uint64_t deadline_us,
		   struct turn *turn)
{
	int r = 0;

	if (turn->lane_fd < 0)
		r = slots_take_lane(storefd, SLOTS_COMPRESS, owner, 1, deadline_us, &turn->lane_fd);
	if (r < 0)
		return r;
	uint64_t patience_us = clock_monotonic_us() + PATIENCE_US;
	bool is_first = deadline_us < patience_us;
	r = slots_take(storefd, SLOTS_COMPRESS, slots, is_first ? deadline_us : patience_us,
		       &turn->slot_fd);
	if (r == 0)
		fd_close(&turn->lane_fd); /* the owner's next one may ask */
	return r == -ETIME && !is_first ? 0 : r;
}

/*
 * False where the owner has so much unfinished work that no more of it is taken on; *ret_fd is to
 * be kept open during the work.
 */
bool turn_take_unfinished(int storefd, const char *owner, int *ret_fd)
{
	return slots_take_place(storefd, UNFINISHED, owner, UNFINISHED_MAX, ret_fd) != -EAGAIN;
}

/* Gives it back. */
void turn_end(struct turn *turn)
{
	fd_close(&turn->slot_fd);
	fd_close(&turn->lane_fd);
}
