#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Victims whose memory is made to hurt the capture: the disk is left alone, the victim is not held, and the record is
# true.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	cf_default_pattern
	forget_crashes
}

# victim CODE: python with all kinds of memory in its core; it crashes behind the code.
victim() {
	crash /usr/bin/python3 -c "
import mmap, os, resource, tempfile
resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
open('/proc/self/coredump_filter', 'w').write('0x7f')
$1
os.abort()"
	wait_quiet
}

@test "capture: a sparse file, mapped: not a spool of zeros beyond spool_max" {
	cf_config 'push = no' 'spool_max = 64M'
	victim "
f = tempfile.TemporaryFile(dir='$T')
f.truncate(600 << 20)
m = mmap.mmap(f.fileno(), 600 << 20, access=mmap.ACCESS_READ)" &
	# Looked at while it is captured.
	most=0
	while kill -0 $! 2>/dev/null; do
		now=$(du -sk "$T/store" 2>/dev/null | cut -f1) || now=0
		((now <= most)) || most=$now
	done
	echo "most: $most KiB"
	((most < 150000))
	is mode "$(field .capture.mode)" memory
	check_core
	(($(field .core.size) > 600 << 20))
}

a_crash_is_there() { [[ -n $(crash_ids) ]]; }

# The kernel goes on for minutes to look for a page in there: the helper ends it when max_block is over.
@test "capture: 16 TiB mapped: more than a file can be long" {
	cf_config 'push = no' 'max_block = 8s'
	spawn /dev/null "$T/tests/crasher" --map 16777216
	wait_until 20 a_crash_is_there
	wait_quiet
	is mode "$(field .capture.mode)" memory
	is outcome "$(field .outcome)" stored
	(($(field .core.size) > 16 << 40))
	awk -v h="$(field .capture.held_ms)" 'BEGIN { exit !(h < 5000) }'
}

# by_hand CONFIG LINE... -- HELPER'S OPTIONS: the core $T/given, through a helper that an ordinary user starts under the
# limits in $limits; $dir is the crash's directory then.
by_hand() {
	local lines=() pid
	while [[ $1 != -- ]]; do
		lines+=("$1")
		shift
	done
	shift
	rm -rf "$T/user"
	install -d -o 1234 -g 1234 "$T/user"
	cf_config 'push = no' "store = $T/user" "${lines[@]}"
	spawn /dev/null setpriv --reuid 1234 --regid 1234 --clear-groups sleep 60
	pid=$SPAWNED_PID
	is_users() { [[ $(stat -c %u "/proc/$pid") == 1234 ]]; }
	wait_until 10 is_users
	setpriv --reuid 1234 --regid 1234 --clear-groups prlimit "${limits[@]}" "$T/bin/coreferry-helper" -C "$T/conf" "$@" \
		"$pid" 1234 1234 <"$T/given" 2>"$T/by-hand.err"
	kill "$pid"
	dir=$(find "$T/user/crashes" -mindepth 1 -maxdepth 1 -name '2*')
}

# A core to be given by hand.
give_core() {
	[[ ! -e $T/given ]] || return 0
	crash "$T/tests/crasher" --heap 5 --random
	wait_quiet
	cf dump "$(basename "$(newest)")" -o "$T/given"
	chmod 0644 "$T/given"
}

@test "capture: by hand, as any user: the same core" {
	give_core
	limits=()
	by_hand --
	is outcome "$(field .outcome "$dir")" stored
	is note "$(field .capture.note "$dir")" null
	zstd -qdc "$dir/core.zst" | cmp - "$T/given"
}

@test "capture: where no other process can be made: kept as it is, and no more than the limits allow" {
	give_core
	limits=(--nproc=1)
	by_hand --
	cmp "$dir/core" "$T/given"
	is outcome "$(field .outcome "$dir")" truncated
	[[ $(field .reason "$dir") == "nobody could look whether it is whole"* ]]
	is captured "$(($(field .capture.captured_bytes "$dir") > 5 << 20))" 1

	by_hand 'honour_rlimit = yes' -- -c300000
	is reason "$(field .reason "$dir")" 'honour_rlimit: RLIMIT_CORE is 300000 bytes'
	is size "$(stat -c %s "$dir/core")" 300000
	cmp -n 300000 "$dir/core" "$T/given"

	by_hand 'max_core = 2M' --
	is reason "$(field .reason "$dir")" 'max_core: no more than 2M of memory'
	size=$(stat -c %s "$dir/core")
	((size >= 2 << 20 && size <= 4 << 20))
}

@test "capture: where memory is counted before it is used: the same core" {
	give_core
	limits=(--as=$((48 << 20)))
	by_hand --
	is outcome "$(field .outcome "$dir")" stored
	zstd -qdc "$dir/core.zst" | cmp - "$T/given"
}
