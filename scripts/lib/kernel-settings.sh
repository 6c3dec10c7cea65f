# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# kernel-settings.sh: core_pattern, core_pipe_limit and suid_dumpable are saved before anything sets them, and put
# back at the end of the session, by the script or by its guard. They are global to the machine: a run that wants
# to set them holds a lock from the save to the restore, so that two runs wait for each other. Input: only from
# root's own scripts. It must never restore without the lock, and never save what another run has set.

KERNEL_SETTINGS=(kernel/core_pattern kernel/core_pipe_limit fs/suid_dumpable)
KERNEL_SETTINGS_LOCK=/run/coreferry-test/kernel-settings.lock # beside the sessions: a folder that is root's alone
: "${KERNEL_SETTINGS_WAIT:=600}" # seconds that a run waits for another

if ! declare -F session_start >/dev/null; then
	# shellcheck source=scripts/lib/session.sh
	source "$(dirname -- "${BASH_SOURCE[0]}")/session.sh"
fi

# kernel_settings_read: prints "name=value" lines of the settings as they are now.
kernel_settings_read() {
	local name
	for name in "${KERNEL_SETTINGS[@]}"; do
		printf '%s=%s\n' "$name" "$(<"/proc/sys/$name")"
	done
}

# kernel_settings_save: takes the lock, saves, and arranges the restore.
kernel_settings_save() {
	kernel_settings_lock
	[[ ! -e $COREFERRY_SESSION/settings ]] || return 0
	kernel_settings_read >"$COREFERRY_SESSION/settings"
	session_defer settings
}

# kernel_settings_lock: waits up to KERNEL_SETTINGS_WAIT seconds for other runs, and says for whom.
kernel_settings_lock() {
	[[ ! -e $COREFERRY_SESSION/locked ]] || return 0
	session_ask lock
	if ! wait_until 1 test -e "$COREFERRY_SESSION/locked"; then
		warn "waiting for another run that uses the kernel's core settings$(kernel_settings_holder)"
		wait_until "$KERNEL_SETTINGS_WAIT" test -e "$COREFERRY_SESSION/locked" ||
			die "gave up after $KERNEL_SETTINGS_WAIT s: $KERNEL_SETTINGS_LOCK is still held$(kernel_settings_holder)"
	fi
}

# kernel_settings_set NAME VALUE: NAME is core_pattern, core_pipe_limit or suid_dumpable. Reads it back.
kernel_settings_set() {
	local name
	[[ -e $COREFERRY_SESSION/locked ]] || die "kernel_settings_set: call kernel_settings_save first"
	for name in "${KERNEL_SETTINGS[@]}"; do
		[[ ${name##*/} == "$1" ]] || continue
		kernel_settings_write "$name" "$2"
		return
	done
	die "kernel_settings_set: unknown setting $1"
}

# kernel_settings_restore: puts the saved settings back now, and lets the next run have the lock. May be called
# again.
kernel_settings_restore() {
	[[ -d ${COREFERRY_SESSION:-} ]] || return 0
	cleanup_settings || return 1
	rm -f "$COREFERRY_SESSION/settings"
	session_ask unlock
	wait_until 5 test ! -e "$COREFERRY_SESSION/locked"
}

# kernel_settings_write NAME VALUE: since Linux 6.17 a bad core_pattern is accepted and fails at the crash, and
# before it is silently cut at 127 bytes: so it is read back. See: core(5)
kernel_settings_write() {
	printf '%s\n' "$2" >"/proc/sys/$1" || true
	[[ $(<"/proc/sys/$1") == "$2" ]] || {
		warn "/proc/sys/$1 did not take '$2', it is '$(<"/proc/sys/$1")'"
		return 1
	}
}

kernel_settings_holder() {
	lslocks --noheadings --raw -o PID,COMMAND,MODE,PATH 2>/dev/null |
		awk -v lock="$KERNEL_SETTINGS_LOCK" '$4 == lock && $3 !~ /\*$/ { printf " (pid %s, %s)", $1, $2 }' || true
}

# kernel_settings_guard_lock: in the guard only: one try of a quarter second. The lock file lies where everybody may
# create files, so it is root's own, and closed to others, or it is refused.
kernel_settings_guard_lock() {
	(umask 077 && set -o noclobber && : >"$KERNEL_SETTINGS_LOCK") 2>/dev/null || true
	[[ ! -L $KERNEL_SETTINGS_LOCK && $(stat -c '%u %F' "$KERNEL_SETTINGS_LOCK") == "0 regular"* ]] || return 1
	chmod 0600 "$KERNEL_SETTINGS_LOCK"
	exec 9<>"$KERNEL_SETTINGS_LOCK"
	flock -w 0.25 9 && : >"$COREFERRY_SESSION/locked"
}

# cleanup_settings: while the guard lives it holds the lock for us; if it was killed, the lock has to be taken
# again.
cleanup_settings() {
	local name value status=0
	[[ -r $COREFERRY_SESSION/settings ]] || return 0
	if ! session_guard_lives "$COREFERRY_SESSION"; then
		exec 9<>"$KERNEL_SETTINGS_LOCK"
		flock -w "$KERNEL_SETTINGS_WAIT" 9 || return 1
	fi
	while IFS='=' read -r name value; do
		[[ $(<"/proc/sys/$name") == "$value" ]] || kernel_settings_write "$name" "$value" || status=1
	done <"$COREFERRY_SESSION/settings"
	return "$status"
}
