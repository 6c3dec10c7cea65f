# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# session.sh: whatever a script changes on this machine is put back, even if the script is killed with SIGKILL.
# Every change is recorded in a root-only directory before it is made ("session_defer VERB ARGS"); the exit trap of
# the script, or else a guard process in a session of its own that watches the script, undoes the records, newest
# first, under one lock. Each undo is idempotent, so it does not matter who does it, or how often it is started.
# Input: only from root's own scripts. It must never touch a process, container or file that has no record here, and
# never put the kernel settings back while another run is using them.
#
# Sourced, it defines the session_*, run_for and wait_until functions. Run, it is the guard ("watch DIR") or the
# undo ("cleanup DIR"); both run from a copy inside DIR, so the source tree may change under a running test.

SESSION_ROOT=/run/coreferry-test
SESSION_LIBRARY=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

# shellcheck source=scripts/lib/process.sh
source "$SESSION_LIBRARY/process.sh"

# session_start [--no-traps] [--owner PID]: makes the session (COREFERRY_SESSION, exported) and its guard.
# --no-traps is for bats, whose own traps must stay: call session_end in teardown. The owner, whose death starts
# the undo, is this shell ($$).
session_start() {
	local traps=1 owner=$$
	while (($#)); do
		case $1 in
		--no-traps) traps= ;;
		--owner) owner=$2 && shift ;;
		*) die "session_start: unknown option $1" ;;
		esac
		shift
	done
	((EUID == 0)) || die "this needs root (it starts containers and sets the kernel's core_pattern)"
	session_root_check
	session_reap_stale
	[[ -z $traps ]] || session_traps
	COREFERRY_SESSION=$(mktemp -d "$SESSION_ROOT/s.XXXXXX")
	export COREFERRY_SESSION
	mkdir "$COREFERRY_SESSION/actions" "$COREFERRY_SESSION/lib"
	cp "$SESSION_LIBRARY"/*.sh "$COREFERRY_SESSION/lib/"
	mkfifo -m 0600 "$COREFERRY_SESSION/ctl"
	printf '%s %s %s\n' "$owner" "$(process_start "$owner")" "$(process_sid "$owner")" >"$COREFERRY_SESSION/owner"
	(
		trap '' INT TERM HUP
		exec </dev/null >"$COREFERRY_SESSION/log" 2>&1
		close_inherited
		exec setsid --fork bash "$COREFERRY_SESSION/lib/session.sh" watch "$COREFERRY_SESSION"
	)
	wait_until 10 test -e "$COREFERRY_SESSION/guard" || die "the guard did not start: $(<"$COREFERRY_SESSION/log")"
}

session_traps() {
	exec {SESSION_STDOUT}>&1 {SESSION_STDERR}>&2
	trap 'session_on_exit "$?"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# session_on_exit STATUS: the EXIT trap. A function session_after_end, if there is one, gets the last word on the
# status.
session_on_exit() {
	local status=$1
	trap '' HUP INT TERM
	set +e
	exec 1>&"$SESSION_STDOUT" 2>&"$SESSION_STDERR" # the signal may have come within a redirection
	[[ -z $SESSION_STEP_PID ]] || kill -TERM "$SESSION_STEP_PID" 2>/dev/null
	session_end || status=1
	if declare -F session_after_end >/dev/null; then
		session_after_end "$status" || status=1
	fi
	exit "$status"
}

session_root_check() {
	[[ -e $SESSION_ROOT ]] || mkdir -m 0700 "$SESSION_ROOT" 2>/dev/null || true
	[[ ! -L $SESSION_ROOT && $(stat -c '%u %a %F' "$SESSION_ROOT") == "0 700 directory" ]] ||
		die "$SESSION_ROOT must be a directory of root's, mode 0700: remove it and try again"
}

# session_reap_stale: undoes sessions whose owner and guard were both killed.
session_reap_stale() {
	local dir pid start
	for dir in "$SESSION_ROOT"/s.*/; do
		dir=${dir%/}
		if [[ ! -r $dir/owner ]]; then # killed while it was being made, or being made now
			[[ -z $(find "$dir" -maxdepth 0 -mmin +2 2>/dev/null) ]] || rm -rf "$dir"
			continue
		fi
		read -r pid start _ <"$dir/owner"
		! process_is "$pid" "$start" || continue
		! session_guard_lives "$dir" || continue
		warn "undoing what an earlier run that was killed left behind ($dir)"
		session_cleanup_start "$dir" || warn "could not undo everything, see $dir"
	done
}

session_guard_lives() {
	local pid start
	[[ -r $1/guard ]] && read -r pid start <"$1/guard" && process_is "$pid" "$start"
}

# session_defer VERB ARGS...: records that cleanup_VERB ARGS (a function of these libraries) is to be called at
# the end. Record first, then make the change. May be called from any process of the session.
session_defer() {
	local name=${EPOCHREALTIME//[.,]/}.$BASHPID
	[[ -d ${COREFERRY_SESSION:-} ]] || die "session_defer: no session, call session_start first"
	printf '%s\0' "$@" >"$COREFERRY_SESSION/.$name"
	mv "$COREFERRY_SESSION/.$name" "$COREFERRY_SESSION/actions/$name"
}

# session_temp_dir TEMPLATE [MODE]: makes and prints a directory (mktemp's TEMPLATE, absolute) that is removed at
# the end.
session_temp_dir() {
	local dir
	dir=$(mktemp -u "$1")
	session_defer directory "$dir"
	printf '%s\n' "$dir" >>"$COREFERRY_SESSION/directories"
	mkdir -m "${2:-0700}" "$dir"
	printf '%s\n' "$dir"
}

# session_spawn LOG COMMAND...: starts a daemon in a session of its own, output to LOG; SPAWNED_PID. It is stopped
# at the end: SIGTERM, and SIGKILL SESSION_GRACE (5) seconds later; SESSION_GRACE=none: it ends with something
# else that we stop.
session_spawn() {
	local log=$1
	shift
	(
		exec </dev/null >>"$log" 2>&1
		self=$BASHPID
		[[ ${SESSION_GRACE:-} == none ]] ||
			session_defer process "$self" "$(process_start "$self")" "${SESSION_GRACE:-5}"
		close_inherited
		exec setsid "$@"
	) &
	SPAWNED_PID=$!
	disown "$SPAWNED_PID"
}

# session_end: undoes everything now and ends the guard. False, with a message, if something could not be undone.
session_end() {
	local dir=${COREFERRY_SESSION:-} pid='' start='' status=0
	[[ -n $dir && -d $dir ]] || return 0
	if [[ ! -r $dir/owner ]]; then # interrupted before it was complete: nothing can have been changed
		rm -rf "$dir"
		return 0
	fi
	[[ ! -r $dir/guard ]] || read -r pid start <"$dir/guard"
	session_cleanup_start "$dir" || status=1
	[[ -z $pid ]] || wait_until 10 process_gone "$pid" "$start" || warn "the guard (pid $pid) did not end"
	unset COREFERRY_SESSION
	return "$status"
}

# session_cleanup_start DIR: in a terminal session of its own, so that no Ctrl-C reaches it, and without the mark
# by which it would take itself, or another cleanup that waits for it, for a leftover.
session_cleanup_start() { env -u COREFERRY_SESSION setsid --wait bash "$1/lib/session.sh" cleanup "$1"; }

# session_ask REQUEST: sends a line to the guard. The descriptor is not kept: children would inherit it.
session_ask() { printf '%s\n' "$1" 1<>"$COREFERRY_SESSION/ctl"; }

# ---- what follows runs in the guard or in the cleanup process only ----

# session_watch: the guard. It alone holds the kernel settings' lock, on descriptor 9; see kernel-settings.sh.
session_watch() {
	local pid start request waiting='' self=$BASHPID
	read -r pid start _ <"$COREFERRY_SESSION/owner"
	exec 8<>"$COREFERRY_SESSION/ctl"
	printf '%s %s\n' "$self" "$(process_start "$self")" >"$COREFERRY_SESSION/.guard"
	mv "$COREFERRY_SESSION/.guard" "$COREFERRY_SESSION/guard"
	while [[ -d $COREFERRY_SESSION ]] && process_is "$pid" "$start"; do
		request=
		IFS= read -r -t 0.25 -u 8 request || true
		case $request in
		lock) waiting=1 ;;
		unlock) waiting='' && exec 9>&- && rm -f "$COREFERRY_SESSION/locked" ;;
		end) return 0 ;;
		esac
		[[ -z $waiting ]] || ! kernel_settings_guard_lock || waiting=
	done
	[[ ! -d $COREFERRY_SESSION ]] || session_cleanup_start "$COREFERRY_SESSION" 8>&- 9>&-
}

# session_cleanup: undoes all records, newest first. Processes that carry this session's name in their environment
# are ours for certain: a half-done step of a killed script is ended before, and whatever is still there at the
# end.
session_cleanup() {
	local pid start sid record failed=0 argv
	cd /
	exec 7>"$COREFERRY_SESSION/lock"
	flock 7
	[[ -d $COREFERRY_SESSION/actions ]] || return 0
	for record in "$COREFERRY_SESSION"/failed.*; do # of an earlier attempt
		[[ ! -e $record ]] || mv "$record" "$COREFERRY_SESSION/actions/${record##*/failed.}"
	done
	read -r pid start sid <"$COREFERRY_SESSION/owner"
	process_is "$pid" "$start" || session_kill_marked "$sid"
	cleanup_settings || true # first, for all the machine's sake; their record makes sure of it again at the end
	while record=$(session_newest_record) && [[ -n $record ]]; do
		mapfile -d '' -t argv <"$COREFERRY_SESSION/actions/$record"
		if ! "cleanup_${argv[0]}" "${argv[@]:1}" 7>&-; then
			warn "could not be put back: ${argv[*]}"
			failed=1
			mv "$COREFERRY_SESSION/actions/$record" "$COREFERRY_SESSION/failed.$record"
		fi
		rm -f "$COREFERRY_SESSION/actions/$record"
	done
	if process_is "$pid" "$start"; then
		session_kill_marked "-$sid"
	else
		session_kill_marked
	fi
	session_ask end
	((failed)) || rm -rf "$COREFERRY_SESSION"
	return "$failed"
}

session_newest_record() {
	local records
	records=("$COREFERRY_SESSION"/actions/*)
	[[ -e ${records[-1]} ]] && printf '%s\n' "${records[-1]##*/}"
}

# session_kill_marked [SID|-SID]: SIGKILLs session_marked. Three times, for those that were just forking.
session_kill_marked() {
	local pid
	for _ in 1 2 3; do
		for pid in $(session_marked "$@"); do
			kill -KILL "$pid" 2>/dev/null || true
		done
	done
}

# session_marked [SID|-SID]: prints the pids of this session's processes: all, only those of one terminal session,
# or all but those; never the guard.
session_marked() {
	local file pid sid guard=-
	[[ ! -r $COREFERRY_SESSION/guard ]] || read -r guard _ <"$COREFERRY_SESSION/guard"
	while read -r file; do
		pid=${file//[!0-9]/}
		sid=$(process_sid "$pid") || continue
		[[ $pid != "$guard" && ${1:-} != "-$sid" ]] || continue
		[[ ${1:--} != -* && $1 != "$sid" ]] || printf '%s\n' "$pid"
	done < <(grep -lszxF "COREFERRY_SESSION=$COREFERRY_SESSION" /proc/[0-9]*/environ)
}

cleanup_process() { process_stop "$1" "$2" "$3"; }

# cleanup_directory DIR: ends the programs that were started from it (a handler that the kernel started has
# nothing else by which it could be known), unmounts what is mounted beneath, and removes it, without crossing
# into another file system.
cleanup_directory() {
	local pid
	[[ $1 == /*/*.?????* && $1 != *..* ]] || return 1
	for pid in $(programs_beneath "$1"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	[[ -d $1 ]] || return 0
	unmount_beneath "$1" && rm -rf --one-file-system -- "$1"
}

# programs_beneath DIR: prints the pids of processes whose program is, or was, in DIR.
programs_beneath() {
	find /proc -mindepth 2 -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$1/*" 2>/dev/null | tr -dc '0-9\n'
}

# unmount_beneath DIR: lazily, newest mount first; true when none is left.
unmount_beneath() {
	local mount
	while read -r mount; do
		umount -l -- "$mount" || return 1
	done < <(awk -v dir="$1/" 'index($5 "/", dir) == 1 { print $5 }' /proc/self/mountinfo | tac)
}

# cleanup_finish PID START: waits for a process that must not be stopped.
cleanup_finish() {
	process_is "$1" "$2" || return 0
	warn "waiting for what must not be stopped half-way: $(tr '\0' ' ' <"/proc/$1/cmdline")"
	wait_until 1800 process_gone "$1" "$2"
}

# cleanup_policy_rc_d: the file by which scripts/install-deps keeps services from starting, and no other one.
cleanup_policy_rc_d() { ! grep -qs '^# coreferry:' /usr/sbin/policy-rc.d || rm -f /usr/sbin/policy-rc.d; }

# cleanup_socket PATH [DIR]: and DIR, which was made for it.
cleanup_socket() {
	[[ ! -S $1 ]] || rm -f -- "$1"
	[[ -z ${2:-} ]] || rmdir --ignore-fail-on-non-empty -- "$2"
}

cleanup_link() { [[ ! -e /sys/class/net/$1 ]] || ip link delete "$1"; }

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -euo pipefail
	COREFERRY_SESSION=$2
	umask 077
	for library in "$SESSION_LIBRARY"/*.sh; do
		# shellcheck source=/dev/null
		[[ $library -ef $0 ]] || source "$library"
	done
	case $1 in
	watch) session_watch ;;
	cleanup) session_cleanup ;;
	*) die "usage: session.sh watch|cleanup DIR" ;;
	esac
fi
