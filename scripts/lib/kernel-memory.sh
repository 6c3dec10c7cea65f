# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# kernel-memory.sh: swap, huge pages and KSM for tests that need them, taken back at the end of the session. They are
# global to the machine: only under the kernel settings' lock (kernel_settings_save). Input: only from root's own
# scripts. It must never take back what was there before.

MEMORY_SETTINGS=(/proc/sys/vm/nr_hugepages /sys/kernel/mm/ksm/run)

# memory_setting_set FILE VALUE: FILE is of MEMORY_SETTINGS. False if the kernel has no such thing or did not take it.
memory_setting_set() {
	[[ " ${MEMORY_SETTINGS[*]} " == *" $1 "* && -e $COREFERRY_SESSION/locked ]] || die "memory_setting_set $1: no"
	[[ -w $1 ]] || return 1
	session_defer memory_setting "$1" "$(<"$1")"
	{ printf '%s\n' "$2" >"$1"; } 2>/dev/null && [[ $(<"$1") == "$2" ]]
}

# memory_swap_on FILE MIB: makes FILE, for swap. False, with swapon's message, if that cannot be had here.
memory_swap_on() {
	session_defer swap "$1"
	(umask 077 && fallocate -l "$2M" "$1") && mkswap -q "$1" && swapon "$1"
}

cleanup_memory_setting() {
	[[ " ${MEMORY_SETTINGS[*]} " == *" $1 "* ]] && { [[ $(<"$1") == "$2" ]] || printf '%s\n' "$2" >"$1"; }
}

cleanup_swap() {
	if awk -v file="$1" '$1 == file { found = 1 } END { exit !found }' /proc/swaps; then
		swapoff "$1" || return 1
	fi
	rm -f "$1"
}
