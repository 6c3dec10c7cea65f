#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A delivery by the helper: attempts with pauses between them, as the endpoint's own log has them; and whatever comes
# between, the core is where it shall be, or the record says why not, and it can be had from the store.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up
	mkdir "$T/endpoint"
	spawn "$T/endpoint.log" python3 "$BATS_TEST_DIRNAME/endpoint.py" 127.0.0.1 28051 "$T/endpoint"
	wait_port 127.0.0.1 28051
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config
	cf_default_pattern
	forget_crashes
}

# push_to NAME PLAN CRASHER-OPTION...: a crash on the host.
push_to() {
	local name=$1 plan=$2
	shift 2
	COREFERRY_URL=http://127.0.0.1:28051/$name/$plan crash "$T/tests/crasher" "$@"
}

# pauses NAME: the seconds between the requests of that name.
pauses() { awk -v name="$1" '$2 == name { if (last) printf "%.3f\n", $1 - last; last = $1 }' "$T/endpoint/log"; }
requests() { awk -v name="$1" '$2 == name' "$T/endpoint/log" | wc -l; }

# pauses_within NAME FROM:TO...: each of them.
pauses_within() {
	local name=$1 list
	shift
	mapfile -t list < <(pauses "$name")
	echo "# pauses of $name: ${list[*]}"
	is "number of pauses" "${#list[@]}" "$#" || return 1
	for i in "${!list[@]}"; do
		awk -v p="${list[i]}" -v range="${*:i+1:1}" 'BEGIN { split(range, r, ":"); exit !(p >= r[1] && p <= r[2]) }' || {
			echo "pause $i is ${list[i]} s, should be ${*:i+1:1}"
			return 1
		}
	done
}

is_delivered() {
	is delegation "$(field .delegation.status)" "done" && is "digest there" "$(sha "$T/endpoint/$1")" "$(field .core.sha256)"
}

attempts() { field '[.delegation.attempts[].exit_status | tostring] | join(" ")'; }

@test "delivery: 500, cut off, 500, taken: four attempts, and the pauses between them grow" {
	cf_config 'retry_for = 1min'
	push_to four 500,cut,500,201 --heap 5 --random
	wait_quiet
	is_delivered four
	check_core
	is attempts "$(attempts)" "75 75 75 0"
	is count "$(field .delegation.attempt_count)" 4
	is "next attempt" "$(field .delegation.next_attempt)" null
	# 0.5, 1 and 2 s, half of it to one and a half, and what an attempt takes.
	pauses_within four 0.25:1.75 0.5:2.5 1:4
	cf info last >"$T/info"
	grep -q '^  attempts         4$' "$T/info"
	grep -q '^    4   .* done (0) after' "$T/info"
}

@test "delivery: 409, 413, 401: one attempt, and the core is there to be pulled" {
	cf_config 'retry_for = 1min'
	for status in 409 413 401; do
		push_to "final$status" "$status"
		wait_quiet
		is delegation "$(field .delegation.status)" failed
		is requests "$(requests "final$status")" 1
		is count "$(field .delegation.attempt_count)" 1
		check_core
	done
}

@test "delivery: 503 with Retry-After: not before that time" {
	cf_config 'retry_for = 1min'
	push_to later 503r3,201
	wait_quiet
	is_delivered later
	is attempts "$(attempts)" "75 0"
	is "status there" "$(field '.delegation.attempts[0].status')" 503
	pauses_within later 3:7
}

@test "delivery: an offset that cannot be, a digest of something else: not delivered, and not tried again" {
	cf_config 'retry_for = 1min'
	spawn "$T/faulty.out" python3 "$TOP/tests/peers/faulty-server.py" 28054 "$T/faulty.log"
	wait_port 127.0.0.1 28054
	while read -r path reason; do
		COREFERRY_URL=http://127.0.0.1:28054/$path crash "$T/tests/crasher"
		wait_quiet
		is "delegation, $path" "$(field .delegation.status)" failed
		is "attempts, $path" "$(attempts)" 76
		[[ $(field '.delegation.attempts[0].reason') == *"$reason"* ]]
		check_core
	done <<-'END'
		tusmore beyond
		tusliar went backwards
		baddigest the server has something else
	END
}

waiting() { [[ $(field .delegation.status 2>/dev/null) == waiting ]]; }

@test "delivery: nobody listens: tried for retry_for, which delays nobody else, and then it says so" {
	cf_config 'retry_for = 4s' 'slots = 1'
	COREFERRY_URL=http://127.0.0.1:9/ crash "$T/tests/crasher"
	wait_until 10 waiting
	first=$(newest)
	[[ $(field .delegation.next_attempt "$first") == 20* ]]
	# One slot, and one turn to work, are all that there are.
	SECONDS=0
	push_to other 201
	wait_until 3 test -e "$T/endpoint/other"
	[[ $(field .delegation.status "$first") =~ ^(waiting|running)$ ]]
	wait_quiet 20
	is delegation "$(field .delegation.status "$first")" failed
	[[ $(field .delegation.reason "$first") =~ ^'retry_for is over after '[2-5]' attempts'$ ]]
	check_core "$first"
}

@test "delivery: a hang: push_timeout ends the attempt, without progress there is no other one" {
	cf_config 'retry_for = 1min' 'push_timeout = 2s'
	push_to hang hang
	wait_quiet 15
	is delegation "$(field .delegation.status)" failed
	is reason "$(field .delegation.reason)" "ended by coreferry: push_timeout is over"
	is requests "$(requests hang)" 1
	is duration "$(field '.delegation.attempts[0].duration_ms | . >= 2000 and . < 6000')" true
	check_core
}

under_way() { [[ $(field '.delegation.attempts[0].under_way' 2>/dev/null) == true ]]; }

@test "delivery: while it runs the record says so, and does not call it done" {
	push_to running slow --heap 3 --random
	wait_until 5 under_way
	is status "$(field .delegation.status)" running
	is "exit status" "$(field '.delegation.attempts[0].exit_status')" null
	cf info last | grep -q '^    1   .* under way after'
	wait_quiet
	is_delivered running
}

@test "delivery: the container ends between two attempts: none is made in a container that is gone" {
	cf_config 'retry_for = 5min'
	# It lives for two seconds more than its crash.
	COREFERRY_URL=http://127.0.0.1:28051/gone/500 unshare -pf --kill-child --mount-proc \
		sh -c "$T/tests/crasher; sleep 2" || true
	wait_quiet 20
	is delegation "$(field .delegation.status)" failed
	[[ $(field .delegation.reason) == "the container has ended after "* ]]
	(($(requests gone) >= 1 && $(requests gone) <= 4))
	check_core
}

@test "delivery: a delegate that asks for another try" {
	cf_config 'retry_for = 1min'
	mkdir -p "$T/opt"
	cat >"$T/opt/again" <<-END
		#!/bin/sh
		cat >/dev/null
		echo "\$CORE_RESUME\$AWS_SECRET_ACCESS_KEY"
		[ -e $T/opt/once ] || { : >$T/opt/once; exit 75; }
	END
	chmod 0755 "$T/opt/again"
	cf_pattern "%P %u %g $T/opt/again"
	AWS_SECRET_ACCESS_KEY=secret crash "$T/tests/crasher"
	wait_quiet
	is delegation "$(field .delegation.status)" "done"
	is attempts "$(attempts)" "75 0"
	is "what is for the agent only" "$(field .delegation.output)" null
}

@test "delivery: secrets of the victim's environment are not in the record" {
	AWS_SECRET_ACCESS_KEY=sesame push_to secrets 500
	wait_quiet
	is attempts "$(attempts)" 75
	run ! grep -q sesame "$(newest)/crash.json"
	is "environ is root's" "$(stat -c %a.%u "$(newest)/environ")" 600.0
}

# kill_helper: of the newest crash, once bytes have moved. What it had started ends with it.
kill_helper() {
	wait_until 10 under_way
	wait_until 10 test -e "$T/endpoint/.$1"
	agent_rights >"$T/rights"
	pgrep -o -f "^$T/bin/coreferry-helper" >"$T/helper"
	kill -9 "$(<"$T/helper")"
	wait_until 5 no_agent
	wait_until 5 process_ended "$(<"$T/helper")" # and with it its lock
}

# agent_rights: all that the agent that runs may do, and where it is.
agent_rights() {
	local pid
	pid=$(pgrep -o -f "^coreferry-agent")
	awk '/^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp):/' "/proc/$pid/status"
	cat "/proc/$pid/limits" "/proc/$pid/cgroup"
	stat -L -c %d.%i "/proc/$pid"/ns/{cgroup,ipc,uts,time,net,mnt,user} "/proc/$pid/root/"
}
no_agent() { ! pgrep -f "^coreferry-agent" >/dev/null; }

pushed_again() {
	local dir=$1 name=$2
	wait_quiet
	is delegation "$(field .delegation.status "$dir")" "done" || { cat "$dir/crash.json"; return 1; }
	is "digest there" "$(sha "$T/endpoint/$name")" "$(field .core.sha256 "$dir")" || return 1
	is "first attempt" "$(field '.delegation.attempts[0].reason' "$dir")" "coreferry-helper was stopped" || return 1
	is count "$(field .delegation.attempt_count "$dir")" 2 || return 1
	[[ -z $(ls "$T/store/deliveries") ]]
}

@test "delivery: the helper is killed in the middle of a push from the host: the next crash's helper pushes it again" {
	cf_config 'retry_for = 5min'
	push_to killed slow,201 --heap 8 --random
	kill_helper killed
	first=$(newest)
	is "what the record says now" "$(field .delegation.status "$first")" running
	push_to next 201
	pushed_again "$first" killed
	is_delivered next
	check_core "$first"
}

is_same_agent() {
	agent_rights >"$T/rights.again" 2>/dev/null && diff "$T/rights" "$T/rights.again" &&
		grep -q '^Uid:.4321.4321.4321.4321$' "$T/rights.again"
}

# in_place COMMAND...: in namespaces and with a user of its own, as long as the file $T/stay is there.
in_place() {
	: >"$T/stay"
	unshare -pfmui --kill-child --mount-proc sh -c "\"\$@\"; while [ -e $T/stay ]; do sleep 0.1; done" sh "$@" 3>&- &
	PLACE=$!
}
leave_place() {
	rm -f "$T/stay"
	wait "$PLACE" || true
}

@test "delivery: the helper is killed, and the victim was a user's in a container: by its rights, in its place" {
	cf_config 'retry_for = 5min'
	chmod 0755 "$T" "$T/tests"
	COREFERRY_URL=http://127.0.0.1:28051/rights/slow,slow in_place setpriv --reuid 4321 --regid 4322 --clear-groups \
		"$T/tests/crasher" --heap 8 --random
	kill_helper rights
	rm "$T/endpoint/.rights"
	first=$(newest)
	push_to next 201
	wait_until 10 test -e "$T/endpoint/.rights"
	wait_until 5 is_same_agent
	pushed_again "$first" rights
	leave_place
}

@test "delivery: the helper is killed, and the container is gone: it says so, and the core can be pulled" {
	cf_config 'retry_for = 5min'
	COREFERRY_URL=http://127.0.0.1:28051/ended/slow,201 in_place "$T/tests/crasher" --heap 8 --random
	kill_helper ended
	first=$(newest)
	leave_place
	push_to next 201
	wait_quiet
	is delegation "$(field .delegation.status "$first")" interrupted
	is reason "$(field .delegation.reason "$first")" \
		"coreferry-helper was stopped, and it was not pushed again: its container has ended, or is not what it was"
	is requests "$(requests ended)" 1
	check_core "$first"
	[[ -z $(ls "$T/store/deliveries") ]]
}

@test "delivery: the machine was started anew: nothing that was half delivered is called so" {
	cf_config 'retry_for = 5min'
	push_to boot slow,201 --heap 8 --random
	kill_helper boot
	first=$(newest)
	sed -i 's/"boot_id": ".*"/"boot_id": "01234567-89ab-cdef-0123-456789abcdef"/' "$first/crash.json"
	push_to next 201
	wait_quiet
	is delegation "$(field .delegation.status "$first")" interrupted
	[[ $(field .delegation.reason "$first") == *"the machine was started anew" ]]
	is requests "$(requests boot)" 1
	check_core "$first"
}

# --- the bars: many cuts, many containers ---

@test "delivery: 300 MiB, cut off at 50 places on its way to a tus server: arrives whole, in one upload" {
	# shellcheck source=tests/peers/peers.bash
	source "$TOP/tests/peers/peers.bash"
	need_npm_peers
	tus_server_up 28052 "$T/tus"
	python3 -c "
import random
random.seed(5)
for cut in sorted(random.sample(range(1 << 16, 300 << 20), 50)): print(cut)" >"$T/offsets"
	# Each connection goes on where the last one was cut: what it may pass on is the way to the next place.
	awk '{ print $1 - last; last = $1 }' "$T/offsets" >"$T/cuts"
	cutting_proxy_up 28053 28052 "$T/cuts" "$T/was-cut"
	cf_config 'retry_for = 10min'
	SECONDS=0
	COREFERRY_URL=http://127.0.0.1:28053/files crash "$T/tests/crasher" --heap 300 --random
	wait_quiet 120
	echo "# 50 cuts: $SECONDS s, $(field .delegation.attempt_count) attempts, $(wc -l <"$T/was-cut") cut" >&3
	is delegation "$(field .delegation.status)" "done"
	is "one upload" "$(tus_files "$T/tus" | wc -l)" 1
	is "digest there" "$(sha "$(tus_files "$T/tus")")" "$(field .core.sha256)"
	is cuts "$(wc -l <"$T/was-cut")" 50
	is "all attempts" "$(field '.delegation.attempt_count >= 40')" true
	is "kept" "$(field '.delegation.attempts | length')" 32
	is verified "$(field '.delegation.attempts[-1].verified')" size
	rm -rf "$T/tus"
}

# memory_of: MiB of anonymous memory that all of coreferry's programs have now.
memory_of() {
	local pid
	for pid in $(pgrep -f "^($T/bin/coreferry-helper|coreferry-agent)"); do
		cat "/proc/$pid/status" 2>/dev/null
	done | awk '/^RssAnon:/ { sum += $2 } END { print int(sum / 1024) }'
}
all_arrived() {
	local now
	now=$(memory_of)
	((now <= most)) || most=$now
	(($(find "$T/endpoint" -name 'many*' | wc -l) == 30))
}

@test "delivery: 30 containers with 50 MiB each, at once, and one whose endpoint is not there: all arrive" {
	local most=0 places=() i dir count=0
	cf_config 'retry_for = 5min'
	COREFERRY_URL=http://127.0.0.1:9/ in_place "$T/tests/crasher"
	places+=("$PLACE")
	wait_until 20 waiting
	first=$(newest)
	SECONDS=0
	for ((i = 0; i < 30; i++)); do
		COREFERRY_URL=http://127.0.0.1:28051/many$i/201 in_place "$T/tests/crasher" --heap 50 --random
		places+=("$PLACE")
	done
	wait_until 120 all_arrived
	echo "# 30 times 50 MiB: $SECONDS s, at most $most MiB of memory in all helpers and agents" >&3
	((most < 30 * 16))
	[[ $(field .delegation.status "$first") =~ ^(waiting|running)$ ]]
	# The containers end: nothing is tried in them any more.
	rm "$T/stay"
	wait "${places[@]}" || true
	wait_quiet 60
	for dir in "$T"/store/crashes/2*; do
		[[ $dir != "$first" ]] || continue
		is delegation "$(field .delegation.status "$dir")" "done"
		i=$(field '.delegation.attempts[-1].url' "$dir" | sed -n 's|.*/\(many[0-9]*\)/.*|\1|p')
		is digest "$(sha "$T/endpoint/$i")" "$(field .core.sha256 "$dir")"
		count=$((count + 1))
	done
	is crashes "$count" 30
	[[ $(field .delegation.reason "$first") == "the container has ended after "* ]]
	rm "$T"/endpoint/many*
}
