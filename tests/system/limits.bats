#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The limits on what is captured, end to end: each refuses or cuts what it is there for, says so in the record and in a
# counter, and lets everything else through. (What is kept of what was captured: housekeeping.bats; keep_free:
# disk-full.bats; slots: storm.bats.)
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
	cp "$T/tests/crasher-static" "$T/tests/other"
	lxc_create cfa "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0"
	lxc_create cfb "lxc.mount.entry = $T/tests opt/t none bind,ro,create=dir 0 0"
	lxc_start cfa
	lxc_start cfb
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	cf_default_pattern
	rm -rf "$T/store"
}

# counter EXPRESSION (jq)
counter() { cf status --json | jq ".counters.$1"; }

# crashes PROGRAM COUNT [CONTAINER]: one after the other, on the host or in a container.
crashes() {
	for ((i = 0; i < $2; i++)); do
		if [[ -n ${3:-} ]]; then
			lxc_exec "$3" "/opt/t/$1" 2>/dev/null || true
		else
			crash "$T/tests/$1" >/dev/null
		fi
		wait_quiet
	done
}

# outcomes: of all crashes, oldest first: the first letters, "s" for stored and so on.
outcomes() {
	local id
	for id in $(crash_ids); do
		field .outcome "$T/store/crashes/$id" | cut -c1
	done | tr -d '\n'
}

# is_refused REASON: the newest: no core, but all that is known of the process.
is_refused() {
	is outcome "$(field .outcome)" refused
	is reason "$(field .reason)" "$1"
	is file "$(field .core.file)" null
	[[ -s $(newest)/maps && -s $(newest)/environ ]]
	is "a core" "$(find "$(newest)" -name '*core*')" ""
	field .exe | grep -q "/crasher-static$\|/other$\|/bash$"
	run ! cf dump "$(basename "$(newest)")" --force -o "$T/core"
}

# limited_crash KIB: a shell with that RLIMIT_CORE, for crasher raises its own.
limited_crash() {
	# shellcheck disable=SC2016 # the inner shell's
	"$T/tests/reaper" bash -c 'ulimit -c "$1" && kill -SEGV "$$"' bash "$1"
	wait_quiet
}

@test "limits: max_core: so much memory, and then it is cut: a part of the same core" {
	cf_config 'push = no' 'max_core = 10M'
	for line in '' '--pipe '; do
		for spool in 4G 1M; do
			cf_config 'push = no' 'max_core = 10M' "spool_max = $spool"
			cf_pattern "${line}-s%s -t%t -c%c -d%d -i%I -F%F -h%h %P %u %g"
			rm -rf "$T/store"
			crash "$T/tests/crasher-static" --heap 30 --random
			wait_quiet
			is outcome "$(field .outcome)" truncated
			is reason "$(field .reason)" "max_core: no more than 10M of memory"
			# It is looked at before each piece, of 1 MiB, that one of two threads takes.
			is "captured" "$(field '.capture.captured_bytes | . > 9 * 1048576 and . < 12 * 1048576')" true
			field .pid >"$T/expected"
			/usr/bin/python3 "$BATS_TEST_DIRNAME/store-check.py" --expect "$T/expected" --random 30 "$T/store"
			is counter "$(counter cores_truncated.limit)" 1
			crash "$T/tests/crasher-static" --heap 5 --random
			wait_quiet
			check_core
		done
	done
}

# (The kernel counts what it writes to its file, and not the holes: there a sparse core may be longer.)
@test "limits: honour_rlimit: ulimit -c: none, all, or cut at so many bytes" {
	cf_config 'push = no' 'honour_rlimit = yes'
	limited_crash 0
	is_refused "honour_rlimit: RLIMIT_CORE is 0 bytes"
	limited_crash unlimited
	check_core
	whole=$(field .core.size)
	for blocks in 4 100 500; do
		limited_crash "$blocks"
		is outcome "$(field .outcome)" truncated
		is reason "$(field .reason)" "honour_rlimit: RLIMIT_CORE is $((blocks * 1024)) bytes"
		is size "$(field .core.size)" "$((blocks * 1024))"
	done
	((whole > 500 * 1024))
	is "counters" "$(counter cores_refused.rlimit) $(counter cores_truncated.limit)" "1 3"
	# And without being asked for, it does not count.
	cf_config 'push = no'
	limited_crash 0
	check_core
}

@test "limits: exclude_exe: the name, or the path, and no other" {
	cf_config 'push = no' "exclude_exe = oth* /nowhere/*"
	crashes other 1
	is_refused "exclude_exe: matches oth*"
	crashes crasher-static 1
	check_core
	cf_config 'push = no' "exclude_exe = $T/tests/crasher-s*"
	crashes crasher-static 1
	is_refused "exclude_exe: matches $T/tests/crasher-s*"
	crashes other 1
	check_core
	# In a container it is another path.
	crashes crasher-static 1 cfa
	check_core
	cf_config 'push = no' 'exclude_exe = /opt/t/*'
	crashes crasher-static 1 cfa
	is_refused "exclude_exe: matches /opt/t/*"
	is counter "$(counter cores_refused.exclude)" 3
}

@test "limits: exclude_container: by name, by runtime, and never the host" {
	cf_config 'push = no' 'exclude_container = cfa'
	crashes crasher-static 1 cfa
	is_refused "exclude_container: matches cfa"
	crashes crasher-static 1 cfb
	check_core
	crashes crasher-static 1
	check_core
	cf_config 'push = no' 'exclude_container = docker:* lxc:cf?'
	crashes crasher-static 1 cfb
	is_refused "exclude_container: matches lxc:cf?"
	crashes crasher-static 1
	check_core
	cf_config 'push = no' 'exclude_container = docker:*'
	crashes crasher-static 1 cfb
	check_core
	cf_config 'push = no' 'exclude_container = *'
	crashes crasher-static 1
	check_core
	is counter "$(counter cores_refused.exclude)" 2
}

@test "limits: rate_per_signature: of one program of one container so many in a time" {
	cf_config 'push = no' 'rate_per_signature = 2/1h'
	crashes crasher-static 4
	is "one program" "$(outcomes)" ssrr
	is_refused "rate_per_signature: more than 2 in 1h"
	crashes other 1
	crashes crasher-static 3 cfa
	is "another one, and the same one in a container" "$(outcomes)" ssrrsssr
	crash "$T/tests/crasher-static" --signal abrt
	wait_quiet
	is "another signal" "$(outcomes)" ssrrsssrs
	is counter "$(counter cores_refused.rate_signature)" 3
}

@test "limits: rate_per_signature: when the time is over there are as many again" {
	cf_config 'push = no' 'rate_per_signature = 1/2s'
	crashes crasher-static 2
	is "within" "$(outcomes)" sr
	first=$(field .time_us "$T/store/crashes/$(crash_ids | head -n 1)")
	over() { ((${EPOCHREALTIME/./} >= first + 2000000)); }
	wait_until 5 over
	crashes crasher-static 1
	is "and then" "$(outcomes)" srs
}

@test "limits: rate_per_container: whatever crashes in it; outside of containers each user for himself" {
	cf_config 'push = no' 'rate_per_container = 2/1h'
	crashes crasher-static 1 cfa
	crashes other 2 cfa
	is "one container" "$(outcomes)" ssr
	is_refused "rate_per_container: more than 2 in 1h"
	crashes other 1 cfb
	crashes other 1
	crashes crasher-static 2
	is "another one, and root of the host" "$(outcomes)" ssrsssr
	crash "$T/tests/crasher-static" --setuid 1000 --setgid 1000
	wait_quiet
	is "another user" "$(outcomes)" ssrsssrs
	is counter "$(counter cores_refused.rate_container)" 2
}

@test "limits: max_records: the oldest go, record and core" {
	cf_config 'push = no' 'max_records = 3'
	crashes crasher-static 2
	second=$(basename "$(newest)")
	crashes other 2
	is count "$(crash_count)" 3
	is "the oldest that is left" "$(crash_ids | head -n 1)" "$second"
	is "left over" "$(find "$T/store/crashes" -mindepth 1 -maxdepth 1 -name '.*' | wc -l)" 0
	is outcomes "$(outcomes)" sss
	check_core
}

# of CONTAINER: the directories of its crashes.
of() {
	local id
	for id in $(crash_ids); do
		[[ $(field .container.name "$T/store/crashes/$id") != "$1" ]] || printf '%s\n' "$T/store/crashes/$id"
	done
}
has_crashes() { (($(crash_count) >= $1)); }
is_finished() { [[ -n $(of "$1") && $(field .core.sha256 "$(of "$1" | head -n 1)") != null ]]; }

@test "limits: a container that crashes without end: another one's core is taken, and compressed, in between" {
	for ((i = 0; i < 30; i++)); do
		lxc_exec cfa /opt/t/crasher-static --heap 48 --random 2>/dev/null &
	done
	wait_until 30 has_crashes 6
	begin=$(date +%s%N)
	lxc_exec cfb /opt/t/other --heap 8 --random 2>/dev/null || true
	wait_until 30 is_finished cfb
	took_ms=$((($(date +%s%N) - begin) / 1000000))
	waiting=0
	for dir in $(of cfa); do
		[[ $(field .core.sha256 "$dir") != null ]] || waiting=$((waiting + 1))
	done
	echo "# after $took_ms ms, when $waiting of the other container were not done"
	((waiting > 5))
	wait || true
	wait_quiet
	check_core "$(of cfb)"
	is "all of both" "$(outcomes | tr -d s | wc -c)" 0
	is "all of both" "$(crash_count)" 31
}
