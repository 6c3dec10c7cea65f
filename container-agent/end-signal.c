// SPDX-License-Identifier: MIT
/*
 * SIGTERM, for those who have something to put away before they end: the helper sends it when an
 * attempt has had its time, and ends the agent two seconds later.
 */
#include "end-signal.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

volatile sig_atomic_t end_signal_came;

static void note(int signal)
{
	(void)signal;
	end_signal_came = 1;
}

/* From now on SIGTERM (and SIGINT, by hand) only sets end_signal_came, and interrupts what waits.
 * 0 or -errno. */
int end_signal_watch(void)
{
	struct sigaction action = { .sa_handler = note };

	sigemptyset(&action.sa_mask);
	return sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0
		       ? -errno
		       : 0;
}

/* Waits.  False: the signal came. */
bool end_signal_wait(uint64_t ms)
{
	struct timespec left = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	while (!end_signal_came && nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return !end_signal_came;
}
