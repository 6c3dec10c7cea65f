// SPDX-License-Identifier: MIT
/* host-helper/helper/frame-pump.c: order, errors and deadlines, whatever the threads do. */
#include "../../host-helper/helper/frame-pump.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "test.h"

#define FRAME_COUNT 200
#define FRAME_SIZE  4096

struct rig {
	size_t given, put;
	_Atomic size_t taken, open;
	size_t fail_next, fail_fill, fail_take, fail_put; /* at this frame; SIZE_MAX: never */
	bool slow;
};

static int next(void *context, struct frame *f)
{
	struct rig *rig = context;

	if (rig->given == rig->fail_next)
		return -ESRCH;
	if (rig->given == FRAME_COUNT)
		return 0;
	f->offset = rig->given++ * FRAME_SIZE;
	if (f->offset / FRAME_SIZE % 7 == 3)
		f->zeros = FRAME_SIZE;
	else
		f->len = FRAME_SIZE;
	return 1;
}

static int fill(void *context, struct frame *f)
{
	struct rig *rig = context;
	size_t i = f->offset / FRAME_SIZE;

	/* Not in the order of the frames. */
	usleep(rig->slow ? 5000 : (unsigned)(i * 7919 % 400));
	memset(f->data, (int)(i & 0xff), f->len);
	return i == rig->fail_fill ? -EIO : 0;
}

static int open_own(void *context, void **ret_own)
{
	struct rig *rig = context;

	rig->open++;
	*ret_own = rig;
	return 0;
}

static void close_own(void *own)
{
	struct rig *rig = own;

	rig->open--;
}

static int take(void *context, void *own, struct frame *f)
{
	struct rig *rig = context;

	assert_ptr_equal(own, rig);
	rig->taken++;
	return f->offset / FRAME_SIZE == rig->fail_take ? -ENOMEM : 0;
}

static int put(void *context, struct frame *f)
{
	struct rig *rig = context;

	assert_int_equal(f->offset, rig->put * FRAME_SIZE);
	assert_true(f->zeros > 0 || (unsigned char)f->data[17] == (rig->put & 0xff));
	if (rig->put == rig->fail_put)
		return -ENOSPC;
	rig->put++;
	return 0;
}

static char buffer[FRAME_SIZE];

static int run(struct rig *rig, unsigned threads, uint64_t deadline_us, uint64_t *ret_complete)
{
	struct frame_pump pump = { .source = { .next = next, .fill = fill, .context = rig },
				   .sink = { .open = open_own,
					     .close = close_own,
					     .take = take,
					     .put = put,
					     .context = rig },
				   .threads = threads,
				   .frame_bytes = FRAME_SIZE,
				   .buffer = threads % 2 ? buffer : NULL,
				   .deadline_us = deadline_us };
	int r = frame_pump(&pump, ret_complete);

	assert_int_equal(rig->open, 0);
	return r;
}

static struct rig whole(void)
{
	return (struct rig){ .fail_next = SIZE_MAX,
			     .fail_fill = SIZE_MAX,
			     .fail_take = SIZE_MAX,
			     .fail_put = SIZE_MAX };
}

static void test_order(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads <= PUMP_THREADS_MAX; threads++) {
		struct rig rig = whole();
		uint64_t complete = 0;

		assert_int_equal(run(&rig, threads, UINT64_MAX, &complete), 0);
		assert_int_equal(rig.put, FRAME_COUNT);
		assert_int_equal(rig.taken, FRAME_COUNT);
		assert_int_equal(complete, FRAME_COUNT * FRAME_SIZE);
	}
}

/* Whichever step fails at frame 50: all before it are there, it and what is behind it never. */
static void test_errors(void **state)
{
	(void)state;
	for (int step = 0; step < 4; step++)
		for (unsigned threads = 1; threads <= PUMP_THREADS_MAX; threads++) {
			static const int errors[] = { -ESRCH, -EIO, -ENOMEM, -ENOSPC };
			struct rig rig = whole();
			size_t *at[] = { &rig.fail_next, &rig.fail_fill, &rig.fail_take,
					 &rig.fail_put };
			uint64_t complete = 0;

			*at[step] = 50;
			assert_int_equal(run(&rig, threads, UINT64_MAX, &complete), errors[step]);
			assert_int_equal(rig.put, 50);
			assert_int_equal(complete, 50 * FRAME_SIZE);
		}
}

static void test_deadline(void **state)
{
	struct rig rig = whole();
	uint64_t complete = 0, start = clock_monotonic_us();

	(void)state;
	rig.slow = true;
	assert_int_equal(run(&rig, 2, start + 50000, &complete), -ETIME);
	assert_true(rig.put > 0 && rig.put < FRAME_COUNT);
	assert_int_equal(complete, rig.put * FRAME_SIZE);
	assert_true(clock_monotonic_us() - start < 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
