# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# process.sh: messages, deadlines, and processes named so that a recycled pid is never mistaken for an old one.
# Input: pids of our own children, and /proc. It must never signal a process whose start time is not the one that
# was noted.

SESSION_STEP_PID= # the program that run_for is running, for the exit trap

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
	warn "$*"
	exit 1
}

# process_field PID N: prints field N of /proc/PID/stat (proc(5)'s numbers, from 3) of a process that is alive;
# else fails.
process_field() {
	local stat=
	{ IFS= read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null || [[ -n $stat ]] || return 1
	read -r -a stat <<<"${stat##*) }"
	[[ ${stat[0]} != [ZX] ]] || return 1
	printf '%s\n' "${stat[$2 - 3]}"
}

# process_start PID: the start time (clock ticks after boot). PID and start time together name one process for good.
process_start() { process_field "$1" 22; }
process_sid() { process_field "$1" 6; }

# process_is PID START: that very process is still alive.
process_is() { [[ $(process_start "$1") == "$2" ]]; }

# process_stop PID START [GRACE_SECONDS]: SIGTERM, then SIGKILL after the grace; true when it is gone.
process_stop() {
	process_is "$1" "$2" || return 0
	kill -TERM "$1" 2>/dev/null || true
	wait_until "${3:-5}" process_gone "$1" "$2" && return 0
	kill -KILL "$1" 2>/dev/null || true
	wait_until 5 process_gone "$1" "$2"
}
process_gone() { ! process_is "$1" "$2"; }

# process_ended PID: nobody runs under that number (a process of a moment ago: numbers are used again).
process_ended() { [[ -z $(process_start "$1") ]]; }

# wait_until SECONDS COMMAND...: polls until COMMAND is true; false when the time is up.
wait_until() {
	local end=$((${EPOCHREALTIME//[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME//[.,]/} < end)) || return 1
		sleep 0.03
	done
}

# run_for SECONDS COMMAND...: runs a program (not a function) with a deadline (status 124). A signal to the script
# is handled at once, not after the program. Standard input is /dev/null.
run_for() {
	local seconds=$1 status=0
	shift
	if [[ $BASHPID != "$$" ]]; then
		timeout --foreground -k 2 "$seconds" "$@" </dev/null
		return
	fi
	timeout -k 2 "$seconds" "$@" </dev/null &
	SESSION_STEP_PID=$!
	wait "$SESSION_STEP_PID" || status=$?
	SESSION_STEP_PID=
	return "$status"
}

# close_inherited: closes all descriptors but 0, 1, 2, so that a daemon does not keep its starter's pipes open.
close_inherited() {
	local fd
	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		[[ $fd == [012] ]] || eval "exec $fd>&-"
	done
}
