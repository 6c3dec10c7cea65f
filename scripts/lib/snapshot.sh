# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# snapshot.sh: proof that a run left the machine as it found it. A snapshot holds what such runs could leave
# behind; it is compared at the very end of the session's cleanup, while the kernel settings' lock is still held,
# so that the next run is not taken for a leftover. Input: /proc, /sys and iptables-save. It must never change
# anything.

if ! declare -F kernel_settings_read >/dev/null; then
	# shellcheck source=scripts/lib/kernel-settings.sh
	source "$(dirname -- "${BASH_SOURCE[0]}")/kernel-settings.sh"
fi

# snapshot_print: one line per thing, sorted.
snapshot_print() {
	{
		kernel_settings_read
		printf 'net/ipv4/ip_forward=%s\n' "$(</proc/sys/net/ipv4/ip_forward)"
		printf 'link %s\n' /sys/class/net/*
		awk '{ print "mount", $5 }' /proc/self/mountinfo
		! command -v iptables-save >/dev/null ||
			iptables-save 2>/dev/null | awk '/^-A|^:.* DROP / { sub(/ \[.*/, ""); print "iptables", $0 }'
		printf 'directory %s\n' /var/lib/coreferry* /run/coreferry* /var/tmp/coreferry*
		snapshot_processes
	} | grep -v '\*$' | LC_ALL=C sort
}

# snapshot_processes: this session's only; the rest of the machine is none of our business.
snapshot_processes() {
	local pid sid dir
	read -r _ _ sid <"$COREFERRY_SESSION/owner"
	{
		session_marked "-$sid"
		[[ ! -r $COREFERRY_SESSION/directories ]] || while read -r dir; do
			programs_beneath "$dir"
		done <"$COREFERRY_SESSION/directories"
	} | while read -r pid; do
		printf 'process %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done 2>/dev/null
}

# snapshot_verify_at_end: takes the snapshot now. Call it before anything else is deferred: it is compared last.
snapshot_verify_at_end() {
	kernel_settings_lock
	session_defer snapshot
	snapshot_print >"$COREFERRY_SESSION/snapshot"
}

snapshot_differs_not() { diff "$COREFERRY_SESSION/snapshot" <(snapshot_print) >"$COREFERRY_SESSION/snapshot.diff"; }

# cleanup_snapshot: true when nothing differs; the kernel removes a container's network some moments after it.
cleanup_snapshot() {
	[[ -r $COREFERRY_SESSION/snapshot ]] || return 0
	wait_until 10 snapshot_differs_not && return 0
	rm "$COREFERRY_SESSION/snapshot" # a later attempt to clean up compares no more: the machine has moved on
	warn "the machine is not as it was before (< before, > now):"
	grep '^[<>]' "$COREFERRY_SESSION/snapshot.diff" >&2
	return 1
}
