#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Many crashes at once: each is stored, whole, and is its own victim's; or its record says which limit it met. And a
# program that crashes all the time, beside one that does not.
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
	rm -rf "$T/store"
}

# storm COUNT ARGS...: so many crashers that are ended in the same moment; their pids are in $T/expected.
storm() {
	local count=$1
	shift
	/usr/bin/python3 "$BATS_TEST_DIRNAME/victims.py" storm "$count" \
		"$T/tests/crasher-static" "$@" --crash none >"$T/storm"
	wait_quiet 120
	cut -d' ' -f1 "$T/storm" >"$T/expected"
	# (A dump that is cut off for its time may end by SIGKILL: coreferry.conf(5), max_block.)
	killed=$(grep -c '^[0-9]* 9 ' "$T/storm") || true
	is "victims that were ended by SIGSEGV, and dumped" "$(grep -c '^[0-9]* 11 1 ' "$T/storm")" "$((count - killed))"
	echo "# the last victim was gone after $(cut -d' ' -f4 "$T/storm" | sort -n | tail -n 1) ms"
}

check_store() {
	/usr/bin/python3 "$BATS_TEST_DIRNAME/store-check.py" --expect "$T/expected" "$@" "$T/store" >"$T/checked" || {
		head -n 100 "$T/checked"
		return 1
	}
	tail -n 1 "$T/checked"
}

# check_counters: each crash has been counted, and in one place, and the records say the same.
check_counters() {
	local counters
	counters=$(cf status --json | jq -c .counters)
	is "seen" "$(jq .crashes_seen <<<"$counters")" "$(crash_count)"
	is "sum" "$(jq '.cores_stored + ([.cores_truncated[], .cores_refused[]] | add) + .cores_failed' <<<"$counters")" \
		"$(crash_count)"
	is "stored" "$(jq .cores_stored <<<"$counters")" "$(sed -n 's/^stored \([0-9]*\),.*/\1/p' "$T/checked")"
	is "held" "$(jq .held.count <<<"$counters")" "$(crash_count)"
}

@test "storm: 200 of 8 MiB at once: all stored, whole, each its own" {
	storm 200 --heap 8 --random
	check_store --random 8
	is killed "$killed" 0
	is outcomes "$(tail -n 1 "$T/checked")" "stored 200, truncated 0, refused 0, failed 0, undigested 0"
	check_counters
}

@test "storm: 1,000 of 1 MiB at once: all stored, whole, each its own" {
	storm 1000 --heap 1 --random
	check_store --random 1
	is killed "$killed" 0
	is outcomes "$(tail -n 1 "$T/checked")" "stored 1000, truncated 0, refused 0, failed 0, undigested 0"
	check_counters
}

@test "storm: one slot, and one second to wait for it: stored, or refused for that" {
	cf_config 'push = no' 'slots = 1' 'max_block = 1s'
	storm 200 --heap 8 --random
	check_store --random 8
	[[ $(tail -n 1 "$T/checked") == "stored "*", failed 0, undigested 0" ]]
	# One that had its turn in the last moment may be cut by the same second.
	jq -r '.outcome + ": " + (.reason // "-")' "$T"/store/crashes/2*/crash.json | sort | uniq -c | tee "$T/reasons"
	run -1 grep -vE ': -$|refused: max_block was over before one of 1 slots was free$|truncated: max_block is over' \
		"$T/reasons"
	grep -q refused "$T/reasons"
	((killed <= $(jq -r 'select(.outcome == "truncated").id' "$T"/store/crashes/2*/crash.json | wc -l)))
	(($(sed -n 's/^stored \([0-9]*\),.*/\1/p' "$T/checked") > 10))
	check_counters
}

# crash_all_the_time SECONDS: one program, again and again.
crash_all_the_time() {
	exec >/dev/null 2>&1 3>&- # the shell tells of each
	for ((end = SECONDS + $1; SECONDS < end;)); do
		"$T/tests/crasher" --heap 4 || true
	done
}

received() { compgen -G "$T/received/*-$1-????/core" >/dev/null; }

# deliver: crashes an innocent one; the ms until its core was at its receiver.
deliver() {
	local start=${EPOCHREALTIME/./} pid
	COREFERRY_URL=http://127.0.0.1:$PORT/ "$T/tests/innocent" --heap 20 2>/dev/null 3>&- &
	pid=$!
	wait "$pid" || true
	wait_until 30 received "$pid" || return 1
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

@test "storm: a program that crashes all the time, for 20 s: another one's core is delivered meanwhile" {
	cf_config 'rate_per_signature = 20/10s'
	cp "$T/tests/crasher" "$T/tests/innocent"
	install -d -m 0750 -o 61190 -g 61190 "$T/received"
	PORT=18049
	spawn "$T/receiver.log" "$T/bin/coreferryd" --receive "$T/received" --listen "127.0.0.1:$PORT" --user 61190:61190
	wait_port 127.0.0.1 "$PORT"
	crash_all_the_time 20 &
	for ((end = SECONDS + 20; SECONDS < end;)); do
		ms=$(deliver)
		echo "# beside $(crash_count) crashes: $ms ms"
		((ms < 3000)) # alone: 0.1 to 0.3 s
		sleep 1 # it has the same limit
	done
	wait
	wait_quiet 20
	(($(crash_count) > 500))
	refused=$(jq -r 'select(.outcome == "refused") | .exe + ": " + .reason' "$T"/store/crashes/2*/crash.json | uniq)
	is "refused" "$refused" "$T/tests/crasher: rate_per_signature: more than 20 in 10s"
	cf status --json | jq -c .counters | tee "$T/counters"
	is "seen" "$(jq .crashes_seen "$T/counters")" "$(crash_count)"
	is "stored or refused" "$(jq '.cores_stored + .cores_refused.rate_signature' "$T/counters")" "$(crash_count)"
}
