#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# coreferry push: a core of the store, by hand, from the host, to an endpoint that fails as it is told to.

bats_require_minimum_version 1.5.0

load common

setup_file() {
	peers_up
	mkdir -m 0755 "$T/endpoint"
	PORT=$(free_port)
	export PORT
	spawn "$T/endpoint.log" python3 "$TOP/tests/system/endpoint.py" 127.0.0.1 "$PORT" "$T/endpoint"
	wait_port 127.0.0.1 "$PORT"
}

teardown_file() { peers_down; }

setup() {
	rm -rf "$T/store"
	mkdir -m 0755 "$T/store"
	python3 "$TOP/tests/peers/make-store.py" "$T/store" --size 3000000
	printf '%s\n' "store = $T/store" "agent = $BUILD/coreferry-agent" >"$T/conf"
	chmod 0644 "$T/conf"
	DIR=$(echo "$T"/store/crashes/2*)
}

by_hand() { "$BUILD/coreferry" push --config "$T/conf" "$@"; }
url() { echo "http://127.0.0.1:$PORT/$1/$2"; }
field() { jq -r "$1" "$DIR/crash.json"; }

@test "push by hand: arrives, each attempt is told of, and root's is in the delivery log" {
	run -0 by_hand --retry-for 1min last "$(url hand 500,201)"
	is "digest there" "$(sha "$T/endpoint/hand")" "$(sha "$DIR/core.zst")"
	[[ ${lines[*]} == *"attempt 1: http://127.0.0.1:"*": failed, may be tried again,"*"attempt 2: "*": delivered,"* ]]
	((EUID == 0)) || return 0
	is attempts "$(field '[.delegation.attempts[].exit_status | tostring] | join(" ")')" "75 0"
	is "status there" "$(field '.delegation.attempts[1].status')" 201
	is delegation "$(field .delegation.status)" "done"
	"$BUILD/coreferry" info --store "$T/store" last | grep -q '^    2   .* done (0) after .*, put http://127.0.0.1'
}

@test "push by hand: unpacked, and where to by the environment" {
	COREFERRY_URL=$(url raw 201) CORE_ID=none CORE_SHA256=none by_hand --encoding identity last
	is "digest there" "$(sha "$T/endpoint/raw")" "$(field .core.raw_sha256)"
}

@test "push by hand: what fails ends with the agent's status" {
	run -76 by_hand last "$(url final 413)"
	run -75 by_hand last "$(url once 500)"
	run -75 by_hand --retry-for 2s last "$(url twice 500)"
	[[ $output == *"--retry-for is over"* ]]
	run -78 by_hand last gopher://127.0.0.1/
	run -64 by_hand --encoding gzip last
	run -64 by_hand --retry-for soon last
	is delegation "$(field .delegation.status)" "done" # as it was
	rm "$DIR/core.zst"
	run -74 by_hand last "$(url gone 201)"
}

@test "push by hand: as the calling user, who may read what the group may; root's alone are root's" {
	((EUID == 0)) || skip "needs root"
	chmod 0711 "$T"
	install -m 0755 "$BUILD/coreferry" "$BUILD/coreferry-agent" "$T"
	sed -i "s|^agent = .*|agent = $T/coreferry-agent|" "$T/conf"
	as() { setpriv --reuid 61199 --regid "$1" --clear-groups "$T/coreferry" push --config "$T/conf" last "$2"; }
	chgrp -R 61190 "$T/store/crashes"
	as 61190 "$(url user 201)"
	is "digest there" "$(sha "$T/endpoint/user")" "$(sha "$DIR/core.zst")"
	run -77 as 61199 "$(url other 201)"
	jq '.root_only = true' "$DIR/crash.json" >"$T/new" && cat "$T/new" >"$DIR/crash.json"
	chmod 0600 "$DIR/core.zst"
	run -77 as 61190 "$(url other 201)"
	[[ $output == *"it is for root alone"* ]]
	run -0 by_hand last "$(url root 201)"
	[[ $output == *"this core is for root alone"* ]]
	[[ ! -e $T/endpoint/other ]]
}

@test "push by hand: what is half there when it gives up is taken back" {
	# shellcheck source=tests/peers/peers.bash
	source "$TOP/tests/peers/peers.bash"
	need_npm_peers
	local tus proxy
	tus=$(free_port)
	tus_server_up "$tus" "$T/tus"
	proxy=$(free_port)
	printf '50000\n%.0s' {1..12} >"$T/cuts"
	cutting_proxy_up "$proxy" "$tus" "$T/cuts" "$T/cut"
	run -75 by_hand last "http://127.0.0.1:$proxy/files"
	(($(wc -l <"$T/cut") >= 5))
	is "uploads" "$(tus_files "$T/tus" | wc -l)" 0
	grep -q 'DELETE' "$T/tus.log"
	: >"$T/cuts"
	run -0 by_hand last "http://127.0.0.1:$proxy/files"
	is "digest there" "$(sha "$(tus_files "$T/tus")")" "$(sha "$DIR/core.zst")"
}
