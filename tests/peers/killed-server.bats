#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The receiver is killed again and again while clients that are not ours, and our agent, upload to it: nothing half or wrong is
# ever visible, tus goes on where it was, and in the end all is there.
# shellcheck disable=SC2030,SC2031,SC2154
bats_require_minimum_version 1.5.0

load common
load peers
load receive

setup_file() {
	peers_up
	core_file "$T/core" 24
	RAW_SHA=$(sha "$T/core")
	export RAW_SHA
}
teardown_file() { peers_down; }

setup() { : >"$T/log"; }
teardown() {
	touch "$T/stop"
	tail -n 60 "$T/log"
	[[ -z ${RECEIVER:-} ]] || ! kill -0 "$RECEIVER" 2>/dev/null || receiver_end TERM
}

# Each client writes a line "ID" to $T/told when it was told that the core of that id is there.
js_client() {
	local n
	for ((n = 100; ; n++)); do
		[[ ! -e $T/stop ]] || return 0
		node "$TOP/tests/peers/tus-client.js" "$URL/cores" "$T/core.zst" "$(id $n)" >>"$T/js.log" 2>&1 || return 0
		id $n >>"$T/told" && echo >>"$T/told"
	done
}
put_client() {
	local n
	for ((n = 500; ; n++)); do
		until curl -sf -m 30 --limit-rate 40M -T "$T/core.zst" "$URL/$(id $n).core.zst" -o /dev/null; do
			[[ ! -e $T/stop ]] || return 0
			sleep 0.05
		done
		id $n >>"$T/told" && echo >>"$T/told"
		[[ ! -e $T/stop ]] || return 0
	done
}
agent_client() {
	local n
	for ((n = 900; ; n++)); do
		[[ ! -e $T/stop ]] || return 0
		push_until_done "$T/core.zst" "$(id $n)" "COREFERRY_URL=$URL/cores" || return 0
		echo "$attempts" >>"$T/attempts"
		id $n >>"$T/told" && echo >>"$T/told"
	done
}

# all_right: what is visible is whole; what was called delivered is visible.
all_right() {
	local dir told
	for dir in "$T"/in/2*; do
		[[ -d $dir && ! -e $dir/checked ]] || continue
		is "$dir" "$(sha "$dir/core") $(jq -r .core.raw_sha256 "$dir/crash.json")" "$RAW_SHA $RAW_SHA" || return 1
		: >"$dir/checked"
		: >"$dir/core" # of the disk
	done
	[[ -e $T/told ]] || return 0
	while read -r told; do
		[[ -d $T/in/$told ]] || { echo "$told was called delivered, and is not there" && return 1; }
	done <"$T/told"
}

@test "killed: 50 times while tus-js-client, curl and our agent upload: all is whole, or invisible, and goes on" {
	need_npm_peers
	receiver
	js_client &
	put_client &
	agent_client &
	local n
	for ((n = 0; n < 50; n++)); do
		sleep "0.$(printf '%03d' $((RANDOM % 300)))"
		receiver_end KILL
		all_right
		receiver
	done
	touch "$T/stop"
	wait
	all_right
	rm "$T/stop"
	cat "$T/js.log" "$T/attempts" || true
	# Each of the three got through, and was broken on the way.
	grep -q '^done' "$T/js.log"
	awk '/^done/ { n += $2 } END { exit n < 3 }' "$T/js.log"
	awk '$1 > 1 { n++ } END { exit n < 1 }' "$T/attempts"
	is "failed" "$(grep -c failed "$T/js.log")" 0
	for n in T000140 T000820 T001500; do
		find "$T/in" -maxdepth 1 -name "*$n*" | grep -q .
	done
	is "nothing half is left" "$(partials)" 0
	is "uploads that are open" "$(find "$T/in/.uploads" -name info.json | wc -l)" 0
}
